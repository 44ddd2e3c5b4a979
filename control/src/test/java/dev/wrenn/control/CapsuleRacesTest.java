package dev.wrenn.control;

import static org.assertj.core.api.Assertions.assertThat;

import dev.wrenn.base.Forks;
import dev.wrenn.contract.CapsuleId;
import dev.wrenn.control.capsule.ControlConfig;
import dev.wrenn.simhost.FailPoint;
import dev.wrenn.testkit.Eventually;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** What happens when two want different things at once, or somebody leaves: Appendix F 1 and 2. */
class CapsuleRacesTest {
    private static final Duration SOON = Duration.ofSeconds(20);

    @RegisterExtension private static final ControlRig RIG = new ControlRig();

    @AfterEach
    void lets_pass_again() {
        for (var point : FailPoint.values()) {
            RIG.host().failPoints().clear(point);
        }
    }

    private static boolean isOnHost(String id) {
        return RIG.host().inventory().stream().anyMatch(c -> c.capsule().equals(new CapsuleId(id)));
    }

    @Test
    void a_capsule_that_is_destroyed_while_it_is_created_ends_destroyed() {
        var client = RIG.newClient();
        try (var forks = new Forks();
                var gate = RIG.host().failPoints().block(FailPoint.CREATE)) {
            var creating = forks.start("create", () -> client.post("/v1/capsules", "{}"));
            gate.awaitReached();
            var pending = client.get("/v1/capsules").is(200).get(0);
            assertThat(pending.path("status").asText()).isEqualTo("pending");
            var id = pending.path("id").asText();
            client.post("/v1/capsules/" + id + "/pause").fails(409, "invalid_state");

            var destroying = forks.start("destroy", () -> client.delete("/v1/capsules/" + id));
            Eventually.within(SOON, () -> client.status(id).equals("stopped"));
            gate.open();

            creating.take(SOON).fails(409, "invalid_state");
            destroying.take(SOON).is(204);
            assertThat(client.status(id)).isEqualTo("stopped");
            assertThat(isOnHost(id)).isFalse();
        }
    }

    @ParameterizedTest
    @EnumSource(names = {"PAUSE", "RESUME", "CREATE_TEMPLATE"})
    void a_capsule_that_is_destroyed_while_it_changes_ends_destroyed(FailPoint during) {
        var client = RIG.newClient();
        var id = during == FailPoint.RESUME ? client.createPaused() : client.create();
        var path = "/v1/capsules/" + id;
        try (var forks = new Forks();
                var gate = RIG.host().failPoints().block(during)) {
            var changing =
                    forks.start(
                            "change",
                            () ->
                                    during == FailPoint.CREATE_TEMPLATE
                                            ? client.post(
                                                    "/v1/snapshots",
                                                    "{\"sandbox_id\":\"%s\"}".formatted(id))
                                            : client.post(
                                                    path
                                                            + (during == FailPoint.PAUSE
                                                                    ? "/pause"
                                                                    : "/resume")));
            gate.awaitReached();

            var destroying = forks.start("destroy", () -> client.delete(path));
            Eventually.within(SOON, () -> client.status(id).equals("stopped"));
            gate.open();

            destroying.take(SOON).is(204);
            var answer = changing.take(SOON);
            if (during == FailPoint.CREATE_TEMPLATE) {
                answer.is(201);
            } else {
                answer.fails(409, "invalid_state");
            }
            assertThat(client.status(id)).isEqualTo("stopped");
            assertThat(isOnHost(id)).isFalse();
        }
    }

    @ParameterizedTest
    @CsvSource({"true,/resume", "false,/pause"})
    void of_many_who_want_the_same_one_does_it(boolean startsPaused, String operation) {
        var client = RIG.newClient();
        var id = startsPaused ? client.createPaused() : client.create();
        try (var forks = new Forks()) {
            var asking = new ArrayList<Forks.Fork<Integer>>();
            for (int i = 0; i < 6; i++) {
                asking.add(
                        forks.start(
                                operation,
                                () -> client.post("/v1/capsules/" + id + operation).status()));
            }
            var statuses = new ArrayList<Integer>();
            asking.forEach(a -> statuses.add(a.take(SOON)));

            assertThat(statuses).containsExactlyInAnyOrder(200, 409, 409, 409, 409, 409);
        }
        assertThat(client.status(id)).isEqualTo(startsPaused ? "running" : "paused");
    }

    @Test
    void creates_at_once_do_not_pass_the_limit_of_a_team() {
        var client = RIG.newClient();
        int limit = ControlConfig.DEFAULTS.capsulesPerTeam();
        for (int i = 0; i < limit - 2; i++) {
            client.create();
        }
        try (var forks = new Forks()) {
            var asking = new ArrayList<Forks.Fork<Integer>>();
            for (int i = 0; i < 6; i++) {
                asking.add(forks.start("create", () -> client.post("/v1/capsules", "{}").status()));
            }
            var statuses = new ArrayList<Integer>();
            asking.forEach(a -> statuses.add(a.take(SOON)));

            assertThat(statuses).containsExactlyInAnyOrder(201, 201, 409, 409, 409, 409);
        }
    }

    /** Sends a request and hangs up as soon as the host works on it. */
    private static void askAndLeave(String key, String path, FailPoint point) throws Exception {
        try (var gate = RIG.host().failPoints().block(point)) {
            try (var socket =
                    new Socket(java.net.InetAddress.getLoopbackAddress(), RIG.control().port())) {
                socket.getOutputStream()
                        .write(
                                ("POST %s HTTP/1.1\r\nHost: x\r\nX-API-Key: %s\r\n"
                                                + "Content-Length: 2\r\n\r\n{}")
                                        .formatted(path, key)
                                        .getBytes(StandardCharsets.US_ASCII));
                gate.awaitReached();
                socket.setSoLinger(true, 0); // a reset, as of a client that was killed
            }
        }
    }

    @Test
    void a_client_that_hangs_up_does_not_stop_what_it_started() throws Exception {
        var client = RIG.newClient();

        askAndLeave(client.key(), "/v1/capsules", FailPoint.CREATE);
        Eventually.within(
                SOON,
                () ->
                        client.get("/v1/capsules")
                                .is(200)
                                .path(0)
                                .path("status")
                                .asText()
                                .equals("running"));
        var id = client.get("/v1/capsules").is(200).get(0).path("id").asText();

        askAndLeave(client.key(), "/v1/capsules/" + id + "/pause", FailPoint.PAUSE);
        Eventually.within(SOON, () -> client.status(id).equals("paused"));

        askAndLeave(client.key(), "/v1/capsules/" + id + "/resume", FailPoint.RESUME);
        Eventually.within(SOON, () -> client.status(id).equals("running"));
    }

    @Test
    void nothing_but_the_truth_is_shown_while_a_capsule_changes() {
        var client = RIG.newClient();
        var id = client.create();
        var allowed = List.of("pending", "running", "paused");
        try (var forks = new Forks();
                var gate = RIG.host().failPoints().block(FailPoint.PAUSE)) {
            var pausing = forks.start("pause", () -> client.post("/v1/capsules/" + id + "/pause"));
            gate.awaitReached();

            assertThat(client.status(id)).isIn(allowed);

            gate.open();
            pausing.take(SOON).is(200);
        }
    }
}
