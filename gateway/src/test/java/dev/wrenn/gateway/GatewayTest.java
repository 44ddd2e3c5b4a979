package dev.wrenn.gateway;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static org.assertj.core.api.Assertions.assertThat;

import dev.wrenn.contract.CapsuleId;
import dev.wrenn.contract.host.HostState;
import dev.wrenn.testkit.Eventually;
import java.io.IOException;
import java.net.ServerSocket;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayNameGeneration;
import org.junit.jupiter.api.DisplayNameGenerator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Requests and answers; item 14 of the regressions worth a test of their own. */
@DisplayNameGeneration(DisplayNameGenerator.ReplaceUnderscores.class)
class GatewayTest {
    private static final Duration LIMIT = Duration.ofSeconds(20);

    @TempDir Path folder;
    private GatewayRig rig;
    private CapsuleId capsule;

    @BeforeEach
    void start() throws Exception {
        rig = new GatewayRig(folder, GatewayConfig.DEFAULTS);
        capsule = rig.capsule(Duration.ZERO);
    }

    @AfterEach
    void stop() throws Exception {
        rig.close();
    }

    private String hostName(LocalService service) {
        return GatewayRig.hostName(capsule, service.port());
    }

    @Test
    void any_other_host_reaches_the_api() throws Exception {
        assertThat(rig.get("localhost", "/v1/capsules"))
                .contains(" 200 ")
                .endsWith("api /v1/capsules");
        assertThat(rig.get(capsule + ".localhost", "/x")).endsWith("api /x");
    }

    @Test
    void any_path_and_method_of_a_capsules_host_goes_to_the_capsule() throws Exception {
        try (var service =
                LocalService.answering(head -> LocalService.ok(head.split("\r\n", 2)[0]))) {
            assertThat(rig.get(hostName(service), "/v1/capsules"))
                    .endsWith("GET /v1/capsules HTTP/1.1");
            for (var method : List.of("POST", "DELETE", "OPTIONS", "PROPFIND")) {
                try (var socket = rig.connect()) {
                    GatewayRig.send(socket, method, hostName(service), "/health");
                    assertThat(new String(socket.getInputStream().readAllBytes(), ISO_8859_1))
                            .endsWith(method + " /health HTTP/1.1");
                }
            }
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "/",
                "/a%2Fb/c",
                "/a//b///c/",
                "//evil.example/x",
                "/a/../b/./c",
                "/with%20space?q=%2F&r=a+b",
                "/x?a={b}|c^d`e",
                "/x?",
                "/x;p=1/y;q",
                "/%E2%82%AC?%E2%82%AC",
                "/a:b@c!$&'()*,=",
                "/x?y=http://z/?w"
            })
    void the_target_arrives_exactly_as_it_was_sent(String target) throws Exception {
        try (var service = LocalService.answering(head -> LocalService.ok(head.split(" ", 3)[1]))) {
            assertThat(rig.get(hostName(service), target)).endsWith("\r\n\r\n" + target);
        }
    }

    @Test
    void the_guest_sees_its_own_host_and_no_credential() throws Exception {
        try (var service = LocalService.answering(LocalService::ok)) {
            var seen =
                    rig.get(
                            hostName(service),
                            "/",
                            "X-API-Key: wrn_0123456789abcdef0123456789abcdef",
                            "X-Host-Token: a.b.c",
                            "Authorization: Bearer wrn_0123456789abcdef0123456789abcdef",
                            "Cookie: mine=1");

            assertThat(seen)
                    .contains("Host: localhost:" + service.port())
                    .contains("X-Forwarded-Host: " + hostName(service))
                    .contains("X-Forwarded-For: 127.0.0.1")
                    .contains("X-Forwarded-Proto: http")
                    .contains("Cookie: mine=1")
                    .doesNotContain("wrn_")
                    .doesNotContainIgnoringCase("x-host-token")
                    .doesNotContain("Via:")
                    .doesNotContain("User-Agent");
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"0", "65536", "99999999999"})
    void a_port_that_cannot_be_is_a_bad_request(String port) throws Exception {
        assertPlain(rig.get(port + "-" + capsule + ".localhost", "/"), 400);
    }

    @Test
    void a_capsule_id_that_cannot_be_is_a_bad_request() throws Exception {
        assertPlain(rig.get("8080-cl-zzzzzzzzzzzzzzzzzzzzzzzzz.localhost", "/"), 400);
    }

    @Test
    void the_guest_agent_is_not_reached() throws Exception {
        assertPlain(rig.get("49983-" + capsule + ".localhost", "/health"), 403);
    }

    @Test
    void an_unknown_capsule_is_not_found() throws Exception {
        assertPlain(rig.get(GatewayRig.hostName(CapsuleId.random(), 8080), "/"), 404);
    }

    @Test
    void a_paused_capsule_is_a_conflict() throws Exception {
        rig.host().pause(capsule);

        assertPlain(rig.get(GatewayRig.hostName(capsule, 8080), "/"), 409);
    }

    @Test
    void a_port_nobody_listens_on_is_a_bad_gateway_and_says_which() throws Exception {
        int closed = closedPort();

        var answer = rig.get(GatewayRig.hostName(capsule, closed), "/");

        assertPlain(answer, 502);
        assertThat(answer).contains("port " + closed);
    }

    @Test
    void a_service_that_hangs_up_without_an_answer_is_a_bad_gateway() throws Exception {
        try (var service = LocalService.talking(LocalService::head)) {
            assertPlain(rig.get(hostName(service), "/"), 502);
        }
    }

    @Test
    void a_service_that_speaks_no_http_is_a_bad_gateway() throws Exception {
        try (var service =
                LocalService.talking(socket ->
                        socket.getOutputStream().write("220 mail\r\n\r\n".getBytes(ISO_8859_1)))) {
            assertPlain(rig.get(hostName(service), "/"), 502);
        }
    }

    private static void assertPlain(String answer, int status) {
        assertThat(answer)
                .startsWith("HTTP/1.1 " + status + " ")
                .containsIgnoringCase("content-type: text/plain");
        assertThat(answer.substring(answer.indexOf("\r\n\r\n")).strip()).isNotEmpty();
    }

    @Test
    void upper_case_and_a_trailing_dot_mean_the_same_host() throws Exception {
        try (var service = LocalService.answering(_ -> LocalService.ok("here"))) {
            assertThat(rig.get(hostName(service).toUpperCase(java.util.Locale.ROOT), "/"))
                    .endsWith("here");
            assertThat(rig.get(hostName(service) + ".", "/")).endsWith("here");
            assertThat(rig.get(hostName(service) + ".:8080", "/")).endsWith("here");
        }
    }

    @Test
    void a_service_that_is_just_starting_is_waited_for() throws Exception {
        int port = closedPort();
        try (var socket = rig.connect()) {
            GatewayRig.send(socket, "GET", GatewayRig.hostName(capsule, port), "/");
            Eventually.within(LIMIT, () -> rig.gateway().openPassages() == 1);
            try (var _ =
                    new LocalService(
                            port,
                            s -> {
                                LocalService.head(s);
                                s.getOutputStream()
                                        .write(LocalService.ok("started").getBytes(ISO_8859_1));
                            })) {
                assertThat(new String(socket.getInputStream().readAllBytes(), ISO_8859_1))
                        .contains(" 200 ")
                        .endsWith("started");
            }
        }
    }

    @Test
    void redirects_to_the_guests_own_address_lead_back_through_the_gateway() throws Exception {
        try (var service =
                LocalService.answering(head ->
                        "HTTP/1.1 302 Found\r\nLocation: http://%s/tree?x\r\nContent-Length: 0\r\n\r\n"
                                .formatted(
                                        head.lines()
                                                .filter(l -> l.startsWith("Host: "))
                                                .findFirst()
                                                .orElseThrow()
                                                .substring(6)))) {
            assertThat(rig.get(hostName(service), "/")).contains("\r\nLocation: /tree?x\r\n");
        }
    }

    @Test
    void repeated_fields_and_odd_statuses_pass_and_those_of_one_hop_do_not() throws Exception {
        try (var service =
                LocalService.answering(_ ->
                        """
                        HTTP/1.1 418 Teapot\r
                        Set-Cookie: a=1\r
                        Set-Cookie: b=2\r
                        Keep-Alive: timeout=5\r
                        Connection: X-Hop\r
                        X-Hop: here\r
                        Content-Length: 3\r
                        \r
                        tea\
                        """)) {
            assertThat(rig.get(hostName(service), "/"))
                    .startsWith("HTTP/1.1 418 ")
                    .contains("Set-Cookie: a=1\r\n", "Set-Cookie: b=2\r\n")
                    .doesNotContain("X-Hop", "Keep-Alive")
                    .endsWith("tea");
        }
    }

    @Test
    void answers_without_a_body_end() throws Exception {
        try (var service =
                LocalService.answering(head ->
                        head.startsWith("HEAD")
                                ? "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"
                                : "HTTP/1.1 204 No Content\r\n\r\n")) {
            assertThat(rig.get(hostName(service), "/")).startsWith("HTTP/1.1 204 ");
            try (var socket = rig.connect()) {
                GatewayRig.send(socket, "HEAD", hostName(service), "/");
                assertThat(new String(socket.getInputStream().readAllBytes(), ISO_8859_1))
                        .contains("Content-Length: 9")
                        .endsWith("\r\n\r\n");
            }
        }
    }

    @Test
    void long_heads_pass_both_ways() throws Exception {
        var cookie = "c".repeat(6_000);
        try (var service =
                LocalService.answering(head ->
                        "HTTP/1.1 200 OK\r\nX-Long: %s\r\nContent-Length: %d\r\n\r\n%s"
                                .formatted("x".repeat(6_000), head.length(), head))) {
            assertThat(rig.get(hostName(service), "/", "Cookie: " + cookie))
                    .contains("X-Long: xxx")
                    .contains("Cookie: " + cookie);
        }
    }

    @Test
    void one_connection_to_the_guest_serves_many_requests() throws Exception {
        var count = new AtomicInteger();
        try (var service =
                        LocalService.answering(
                                _ -> LocalService.ok("n" + count.incrementAndGet()));
                var socket = rig.connect()) {
            for (int i = 1; i <= 20; i++) {
                GatewayRig.send(socket, "GET", hostName(service), "/", "Connection: keep-alive");
                assertThat(LocalService.head(socket)).contains(" 200 ");
                assertThat(
                                new String(
                                        socket.getInputStream().readNBytes(("n" + i).length()),
                                        ISO_8859_1))
                        .isEqualTo("n" + i);
            }
            assertThat(service.connections()).isEqualTo(1);
        }
    }

    @Test
    void a_request_keeps_the_capsule_busy_and_its_end_lets_it_expire() throws Exception {
        var shortLived = rig.capsule(Duration.ofSeconds(1));
        var idle = rig.capsule(Duration.ofSeconds(1));
        var answer = new CountDownLatch(1);
        try (var service =
                        LocalService.answering(_ -> {
                            answer.await();
                            return LocalService.ok("late");
                        });
                var socket = rig.connect()) {
            GatewayRig.send(socket, "GET", GatewayRig.hostName(shortLived, service.port()), "/");
            Eventually.within(LIMIT, () -> rig.host().describe(idle).state() == HostState.PAUSED);
            assertThat(rig.host().describe(shortLived).state()).isEqualTo(HostState.RUNNING);

            answer.countDown();

            assertThat(new String(socket.getInputStream().readAllBytes(), ISO_8859_1))
                    .endsWith("late");
            Eventually.within(
                    LIMIT, () -> rig.host().describe(shortLived).state() == HostState.PAUSED);
        }
    }

    @Test
    void a_pause_answers_the_requests_under_way_and_says_why() throws Exception {
        var arrived = new LinkedBlockingQueue<String>();
        try (var service =
                        LocalService.talking(socket -> {
                            arrived.add(LocalService.head(socket));
                            LocalService.head(socket); // never answers
                        });
                var socket = rig.connect()) {
            GatewayRig.send(socket, "GET", hostName(service), "/");
            assertThat(arrived.poll(10, TimeUnit.SECONDS)).isNotNull();

            rig.host().pause(capsule);

            var answer = new String(socket.getInputStream().readAllBytes(), ISO_8859_1);
            assertPlain(answer, 503);
            assertThat(answer).contains("was paused");
            assertThat(rig.gateway().openPassages()).isZero();
        }
    }

    @Test
    void a_destroy_breaks_off_an_answer_so_that_it_does_not_look_whole() throws Exception {
        try (var service =
                        LocalService.talking(socket -> {
                            LocalService.head(socket);
                            socket.getOutputStream()
                                    .write(
                                            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npart\r\n"
                                                    .getBytes(ISO_8859_1));
                            LocalService.head(socket);
                        });
                var socket = rig.connect()) {
            GatewayRig.send(socket, "GET", hostName(service), "/", "Connection: keep-alive");
            assertThat(LocalService.head(socket)).contains(" 200 ");
            assertThat(new String(socket.getInputStream().readNBytes(7), ISO_8859_1))
                    .isEqualTo("4\r\npart");

            rig.host().destroy(capsule);

            assertThat(restOf(socket)).doesNotContain("0\r\n\r\n");
        }
    }

    @Test
    void after_a_resume_no_connection_of_the_run_before_is_used() throws Exception {
        try (var service = LocalService.answering(_ -> LocalService.ok("yes"))) {
            assertThat(rig.get(hostName(service), "/")).endsWith("yes");
            rig.host().pause(capsule);
            assertPlain(rig.get(hostName(service), "/"), 409);
            rig.host().resume(capsule);

            assertThat(rig.get(hostName(service), "/")).endsWith("yes");

            assertThat(service.connections()).isEqualTo(2);
            assertThat(rig.gateway().openPassages()).isEqualTo(1);
        }
    }

    private static String restOf(java.net.Socket socket) {
        try {
            return new String(socket.getInputStream().readAllBytes(), ISO_8859_1);
        } catch (IOException _) {
            return ""; // reset: as clear an end as can be
        }
    }

    private static int closedPort() throws IOException {
        try (var server = new ServerSocket(0)) {
            return server.getLocalPort();
        }
    }
}
