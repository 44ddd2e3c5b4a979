package dev.wrenn.control;

import static org.assertj.core.api.Assertions.assertThat;

import dev.wrenn.base.Forks;
import dev.wrenn.base.Kind;
import dev.wrenn.contract.CapsuleId;
import dev.wrenn.contract.gateway.Admission;
import dev.wrenn.contract.gateway.Admission.Reason;
import dev.wrenn.contract.gateway.CapsuleDoor;
import dev.wrenn.contract.guest.GuestPorts;
import dev.wrenn.contract.host.HostState;
import dev.wrenn.control.capsule.ControlConfig;
import dev.wrenn.simhost.FailPoint;
import java.time.Duration;
import java.time.InstantSource;
import java.util.HashSet;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.IntStream;
import org.eclipse.jetty.server.Handler;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayNameGeneration;
import org.junit.jupiter.api.DisplayNameGenerator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Who gets in to the ports of a capsule. */
@DisplayNameGeneration(DisplayNameGenerator.ReplaceUnderscores.class)
class PortDoorTest {
    private static final Duration LIMIT = Duration.ofSeconds(30);

    @RegisterExtension static final ControlRig RIG = new ControlRig();

    private static final AtomicReference<CapsuleDoor> DOOR = new AtomicReference<>();
    private static final AtomicReference<ControlPlane> SERVER = new AtomicReference<>();
    private Api api;

    @BeforeAll
    static void serve() {
        SERVER.set(
                ControlPlane.start(
                        ControlConfig.DEFAULTS,
                        RIG.database(),
                        RIG.host(),
                        InstantSource.system(),
                        "127.0.0.1",
                        0,
                        d -> {
                            DOOR.set(d);
                            return new Handler.Wrapper();
                        }));
    }

    @AfterAll
    static void stop() {
        SERVER.get().close();
    }

    @BeforeEach
    void takeTeam() {
        api = RIG.newClient();
    }

    private static Admission admit(String id) {
        return DOOR.get().admit(new CapsuleId(id), Optional.empty());
    }

    private static Admission admit(String id, String key) {
        return DOOR.get().admit(new CapsuleId(id), Optional.of(key));
    }

    private static GuestPorts granted(Admission admission) {
        assertThat(admission).isInstanceOf(Admission.Granted.class);
        return ((Admission.Granted) admission).ports();
    }

    private static void assertRefused(Reason reason, Admission admission) {
        assertThat(admission)
                .isInstanceOfSatisfying(
                        Admission.Refused.class,
                        r -> {
                            assertThat(r.reason()).isEqualTo(reason);
                            assertThat(r.message()).isNotBlank();
                        });
    }

    @Test
    void whoever_knows_the_id_gets_in_unless_the_ports_are_private() {
        var id = api.create();

        assertThat(granted(admit(id)).isOpen()).isTrue();
        assertThat(granted(admit(id, "nonsense"))).isSameAs(granted(admit(id)));
    }

    @Test
    void what_does_not_exist_is_absent_and_what_does_not_run_is_said() {
        assertRefused(Reason.ABSENT, admit(CapsuleId.random().text()));
        assertRefused(Reason.NOT_RUNNING, admit(api.createPaused()));
        var destroyed = api.create();
        api.delete("/v1/capsules/" + destroyed).is(204);
        assertRefused(Reason.NOT_RUNNING, admit(destroyed));
    }

    /** Gap T18: no answer of an earlier state. */
    @Test
    void a_pause_and_a_resume_are_seen_at_once() {
        var id = api.create();
        for (int i = 0; i < 5; i++) {
            var first = granted(admit(id));
            api.post("/v1/capsules/" + id + "/pause").is(200);
            assertRefused(Reason.NOT_RUNNING, admit(id));
            api.post("/v1/capsules/" + id + "/resume").is(200);
            assertThat(granted(admit(id))).isNotSameAs(first);
        }
        api.delete("/v1/capsules/" + id).is(204);
        assertRefused(Reason.NOT_RUNNING, admit(id));
    }

    @Test
    void private_ports_need_a_key_of_the_team_for_every_request() {
        var id = api.create("{\"private_ports\":true}");
        var stranger = RIG.newClient();

        for (int i = 0; i < 2; i++) { // the second time it is known already
            assertRefused(Reason.UNAUTHORIZED, admit(id));
            assertRefused(Reason.UNAUTHORIZED, admit(id, ""));
            assertRefused(Reason.UNAUTHORIZED, admit(id, "wrn_00000000000000000000000000000000"));
            assertRefused(Reason.ABSENT, admit(id, stranger.key()));
            assertThat(granted(admit(id, api.key())).isOpen()).isTrue();
        }
    }

    @Test
    void a_private_capsule_is_not_resumed_for_strangers() {
        var id = api.create("{\"private_ports\":true,\"auto_resume\":true}");
        api.post("/v1/capsules/" + id + "/pause").is(200);

        assertRefused(Reason.UNAUTHORIZED, admit(id));

        assertThat(api.status(id)).isEqualTo("paused");
        assertThat(granted(admit(id, api.key())).isOpen()).isTrue();
    }

    @Test
    void the_first_request_resumes_a_capsule_whose_owner_asked_for_it() {
        var id = api.create("{\"auto_resume\":true}");
        api.post("/v1/capsules/" + id + "/pause").is(200);
        assertThat(api.status(id)).isEqualTo("paused"); // to look is not to use

        assertThat(granted(admit(id)).isOpen()).isTrue();

        assertThat(api.status(id)).isEqualTo("running");
    }

    @Test
    void requests_that_come_together_share_one_resume() throws Exception {
        var id = api.create("{\"auto_resume\":true}");
        api.post("/v1/capsules/" + id + "/pause").is(200);
        var resumes = new AtomicInteger();

        try (var _ =
                        RIG.host()
                                .onChange(c -> {
                                    if (c.capsule().text().equals(id)
                                            && c.state() == HostState.RESUMING) {
                                        resumes.incrementAndGet();
                                    }
                                });
                var forks = new Forks()) {
            var asking =
                    IntStream.range(0, 50)
                            .mapToObj(i -> forks.start("request " + i, () -> granted(admit(id))))
                            .toList();
            var ports = new HashSet<GuestPorts>();
            asking.forEach(a -> ports.add(a.take(LIMIT)));

            assertThat(ports).hasSize(1);
        }
        assertThat(resumes).hasValue(1);
    }

    @Test
    void a_request_during_a_pause_waits_for_it_and_then_resumes() {
        var id = api.create("{\"auto_resume\":true}");
        try (var forks = new Forks();
                var gate = RIG.host().failPoints().block(FailPoint.PAUSE)) {
            var pausing = forks.start("pause", () -> api.post("/v1/capsules/" + id + "/pause"));
            gate.awaitReached();
            var asking = forks.start("request", () -> admit(id));
            gate.open();

            assertThat(granted(asking.take(LIMIT)).isOpen()).isTrue();
            pausing.take(LIMIT).is(200);
        }
    }

    @Test
    void a_resume_that_fails_is_told_and_the_capsule_stays_paused() {
        var id = api.create("{\"auto_resume\":true}");
        api.post("/v1/capsules/" + id + "/pause").is(200);
        RIG.host().failPoints().failOnce(FailPoint.RESUME, Kind.EXHAUSTED, "no room");

        assertRefused(Reason.UNAVAILABLE, admit(id));

        assertThat(api.status(id)).isEqualTo("paused");
        assertThat(granted(admit(id)).isOpen()).isTrue();
    }

    @Test
    void the_rules_are_shown_where_they_were_asked_for() {
        var usual = api.get("/v1/capsules/" + api.create()).is(200);
        var both =
                api.get(
                                "/v1/capsules/"
                                        + api.create(
                                                "{\"private_ports\":true,\"auto_resume\":true}"))
                        .is(200);

        assertThat(usual.has("private_ports")).isFalse();
        assertThat(usual.has("auto_resume")).isFalse();
        assertThat(both.path("private_ports").booleanValue()).isTrue();
        assertThat(both.path("auto_resume").booleanValue()).isTrue();
        api.post("/v1/capsules", "{\"auto_resume\":\"yes\"}").fails(400, "invalid_request");
        api.post("/v1/capsules", "{\"private_ports\":1}").fails(400, "invalid_request");
    }

    @Test
    void use_is_noted_without_asking_the_database_each_time() {
        var id = api.create();
        var before = api.get("/v1/capsules/" + id).is(200).path("last_active_at").asText();

        admit(id);

        assertThat(api.get("/v1/capsules/" + id).is(200).path("last_active_at").asText())
                .isGreaterThanOrEqualTo(before);
    }
}
