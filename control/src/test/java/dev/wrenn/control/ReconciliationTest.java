package dev.wrenn.control;

import static org.assertj.core.api.Assertions.assertThat;

import dev.wrenn.base.Kind;
import dev.wrenn.contract.CapsuleId;
import dev.wrenn.contract.TemplateId;
import dev.wrenn.contract.host.CreateCapsule;
import dev.wrenn.contract.host.HostCapsule;
import dev.wrenn.contract.host.HostState;
import dev.wrenn.simhost.FailPoint;
import dev.wrenn.testkit.Eventually;
import java.time.Duration;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Rows and host find together again, whoever was wrong; a database may go away and come back. */
class ReconciliationTest {
    private static final Duration SOON = Duration.ofSeconds(30);

    @RegisterExtension private static final ControlRig RIG = new ControlRig();

    @AfterEach
    void as_before() {
        RIG.host().loseReports(false);
        for (var point : FailPoint.values()) {
            RIG.host().failPoints().clear(point);
        }
    }

    @Test
    void a_report_that_got_lost_is_made_up_for() {
        var client = RIG.newClient();
        var id = client.create();

        RIG.host().loseReports(true);
        RIG.host().pause(new CapsuleId(id));

        Eventually.within(SOON, () -> client.status(id).equals("paused"));
    }

    @Test
    void a_capsule_that_the_host_does_not_hold_any_more_is_stopped() {
        var client = RIG.newClient();
        var running = client.create();
        var paused = client.createPaused();
        var other = client.create();

        RIG.host().forget(new CapsuleId(running));
        RIG.host().forget(new CapsuleId(paused));

        Eventually.within(SOON, () -> client.status(running).equals("stopped"));
        Eventually.within(SOON, () -> client.status(paused).equals("stopped"));
        assertThat(client.status(other)).isEqualTo("running");
        client.post("/v1/capsules/" + running + "/exec", "{\"cmd\":\"true\"}")
                .fails(409, "invalid_state");
    }

    @Test
    void a_capsule_that_the_host_lost_a_moment_ago_is_not_found() {
        var client = RIG.newClient();
        var id = client.create();
        try (var _ = RIG.host().failPoints().block(FailPoint.INVENTORY)) {
            RIG.host().forget(new CapsuleId(id));

            client.post("/v1/capsules/" + id + "/exec", "{\"cmd\":\"true\"}")
                    .fails(404, "not_found");
        }
    }

    @Test
    void a_capsule_on_the_host_that_nobody_knows_is_destroyed() {
        var stray =
                RIG.host()
                        .create(
                                new CreateCapsule(
                                        CapsuleId.random(),
                                        TemplateId.MINIMAL,
                                        1,
                                        256,
                                        Duration.ZERO,
                                        Map.of()))
                        .capsule();

        Eventually.within(
                SOON,
                () -> RIG.host().inventory().stream().noneMatch(c -> c.capsule().equals(stray)));
    }

    @Test
    void a_capsule_that_could_not_be_destroyed_is_destroyed_later() {
        var client = RIG.newClient();
        var id = client.create();
        RIG.host().failPoints().failOnce(FailPoint.DESTROY, Kind.UNAVAILABLE, "not now");

        client.delete("/v1/capsules/" + id).fails(502, "agent_error");

        assertThat(client.status(id)).isEqualTo("stopped");
        Eventually.within(
                SOON,
                () ->
                        RIG.host().inventory().stream()
                                .noneMatch(c -> c.capsule().equals(new CapsuleId(id))));
    }

    @Test
    void a_report_that_is_older_than_the_row_changes_nothing() {
        var client = RIG.newClient();
        var id = client.create();
        var running = RIG.host().describe(new CapsuleId(id));
        client.post("/v1/capsules/" + id + "/pause").is(200);

        RIG.host().report(running);
        // Reports are applied in order: once this one has been, the old one was looked at.
        RIG.host().report(as(RIG.host().describe(new CapsuleId(id)), "seen"));

        Eventually.within(
                SOON,
                () ->
                        client.get("/v1/capsules/" + id)
                                .json()
                                .path("host_ip")
                                .asText()
                                .equals("seen"));
        assertThat(client.status(id)).isEqualTo("paused");
    }

    private static HostCapsule as(HostCapsule now, String address) {
        return new HostCapsule(
                now.capsule(),
                now.generation() + 1,
                now.state(),
                now.vcpus(),
                now.memoryMb(),
                address,
                now.startedAt(),
                now.lastActiveAt(),
                now.versions(),
                now.reason());
    }

    @Test
    void a_late_report_does_not_bring_a_destroyed_capsule_back() {
        var client = RIG.newClient();
        var id = client.create();
        var running = RIG.host().describe(new CapsuleId(id));
        assertThat(running.state()).isEqualTo(HostState.RUNNING);
        client.delete("/v1/capsules/" + id).is(204);
        var witness = client.create();

        RIG.host().report(as(running, "back"));
        RIG.host().report(as(RIG.host().describe(new CapsuleId(witness)), "seen"));

        Eventually.within(
                SOON,
                () ->
                        client.get("/v1/capsules/" + witness)
                                .json()
                                .path("host_ip")
                                .asText()
                                .equals("seen"));
        assertThat(client.status(id)).isEqualTo("stopped");
    }

    @Test
    void a_create_of_a_server_that_died_is_an_error_for_the_next_one() {
        var client = RIG.newClient();
        var id = client.create();
        RIG.database()
                .jdbi()
                .useHandle(h ->
                        h.execute(
                                "UPDATE capsules SET status = 'pending', generation = 0,"
                                        + " server_run = 'an earlier one' WHERE id = ?",
                                id));
        RIG.host().forget(new CapsuleId(id));

        try (var _ = RIG.another()) {
            assertThat(client.status(id)).isEqualTo("error");
        }
    }

    @Test
    void without_its_database_the_server_says_so_and_goes_on_when_it_is_back() {
        var client = RIG.newClient();
        var id = client.create();
        client.get("/v1/capsules/" + id).is(200);

        RIG.shutDatabase();
        try {
            for (var path : new String[] {"/v1/capsules", "/v1/capsules/" + id}) {
                var answer = client.get(path);
                answer.fails(503, "db_error");
                assertThat(answer.header("Retry-After")).isNotEmpty();
            }
            client.post("/v1/capsules", "{}").fails(503, "db_error");
            client.post("/v1/capsules/" + id + "/pause").fails(503, "db_error");
            RIG.host().pause(new CapsuleId(id));
        } finally {
            RIG.reopenDatabase();
        }

        Eventually.within(SOON, () -> client.get("/v1/capsules").status() == 200);
        Eventually.within(SOON, () -> client.status(id).equals("paused"));
        client.post("/v1/capsules/" + id + "/resume").is(200);
    }
}
