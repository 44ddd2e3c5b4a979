package dev.wrenn.cli.build;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import dev.wrenn.testkit.Eventually;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.apache.commons.compress.archivers.tar.TarArchiveEntry;
import org.apache.commons.compress.archivers.tar.TarArchiveOutputStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Templates made from recipes, through the API, on real VMs; contract §3.10. */
@Tag("vm")
class RecipeVmTest {
    private static final Duration SOON = Duration.ofSeconds(60);

    @TempDir static Path folder;

    private static WrennLab lab;

    @BeforeAll
    static void open() throws IOException {
        lab = WrennLab.open(folder);
    }

    @AfterAll
    static void close() {
        lab.close();
    }

    private static byte[] archive(String... nameAndText) throws IOException {
        var bytes = new ByteArrayOutputStream();
        try (var tar = new TarArchiveOutputStream(bytes)) {
            for (int i = 0; i < nameAndText.length; i += 2) {
                var text = nameAndText[i + 1].getBytes(StandardCharsets.UTF_8);
                var entry = new TarArchiveEntry(nameAndText[i]);
                entry.setSize(text.length);
                entry.setMode(0755);
                tar.putArchiveEntry(entry);
                tar.write(text);
                tar.closeArchiveEntry();
            }
        }
        return bytes.toByteArray();
    }

    private static List<JsonNode> steps(JsonNode build) {
        return build.path("logs").valueStream().toList();
    }

    @Test
    void what_an_earlier_build_has_done_is_taken_with_its_processes_and_its_user()
            throws IOException {
        var before =
                new String[] {
                    "USER deploy",
                    "ENV GREETING=hello",
                    "COPY old.txt /srv/",
                    "START while :; do date +%s%N > /tmp/tick; sleep 0.1; done",
                    "RUN head -c 16 /dev/urandom | sha256sum > ~/drawn; id -un > ~/who; sleep 1.1"
                };
        var one =
                WrennLab.build("cached-one", before[0], before[1], before[2], before[3], before[4]);
        one.put("healthcheck", "test -s /tmp/tick");
        var two =
                WrennLab.build(
                        "cached-two",
                        before[0],
                        before[1],
                        before[2],
                        before[3],
                        before[4],
                        "COPY new.txt /srv/",
                        "RUN echo $GREETING > ~/greeting");
        two.put("healthcheck", "test -s /tmp/tick");

        lab.succeeded(lab.postWithArchive(one, archive("old.txt", "old", "new.txt", "1"), 201));
        var second =
                lab.succeeded(
                        lab.postWithArchive(two, archive("old.txt", "old", "new.txt", "2"), 201));

        assertThat(steps(second).stream().map(step -> step.path("cached").asBoolean()))
                .containsExactly(true, true, true, true, true, false, false);
        var first = lab.create("cached-one");
        var capsule = lab.create("cached-two");
        var drawn = "cat /home/deploy/drawn /home/deploy/who";
        assertThat(lab.run(capsule, drawn)).isEqualTo(lab.run(first, drawn)).contains("deploy");
        assertThat(lab.run(capsule, "cat /srv/old.txt /srv/new.txt /home/deploy/greeting"))
                .isEqualTo("old2hello\n");
        var tick = lab.run(capsule, "cat /tmp/tick");
        Eventually.within(SOON, () -> !lab.run(capsule, "cat /tmp/tick").equals(tick));
        lab.delete("/capsules/" + first);
        lab.delete("/capsules/" + capsule);
    }

    @Test
    void a_recipe_makes_a_disk_template_with_its_user_directory_variables_and_files()
            throws IOException {
        var body =
                WrennLab.build(
                        "app",
                        "ENV GREETING=hello",
                        "USER deploy",
                        "WORKDIR /srv/app",
                        "ENV WHERE=${HOME}:$GREETING:$$x",
                        "COPY main.sh lib /opt/app/",
                        "RUN --timeout=60s sudo sh -c 'id -un > /srv/app/who'; echo $GREETING; pwd;"
                                + " echo wrong >&2",
                        "COPY main.sh renamed.sh");

        var sent =
                lab.postWithArchive(
                        body, archive("main.sh", "#!/bin/sh\necho $GREETING\n", "lib/x", "y"), 201);
        assertThat(sent.path("status").asText()).isEqualTo("pending");
        var built = lab.succeeded(sent);

        assertThat(built.path("total_steps").asInt()).isEqualTo(7);
        assertThat(built.path("current_step").asInt()).isEqualTo(7);
        var run = steps(built).get(5);
        assertThat(run.path("phase").asText()).isEqualTo("recipe");
        assertThat(run.path("stdout").asText()).isEqualTo("hello\n/srv/app\n");
        assertThat(run.path("stderr").asText()).isEqualTo("wrong\n");
        assertThat(run.path("ok").asBoolean()).isTrue();
        assertThat(built.path("default_user").asText()).isEqualTo("deploy");
        assertThat(built.path("default_env").path("WHERE").asText())
                .isEqualTo("/home/deploy:hello:$x");

        var listed = lab.get("/snapshots?type=base").valueStream().toList();
        assertThat(listed)
                .anySatisfy(t -> {
                    assertThat(t.path("name").asText()).isEqualTo("app");
                    assertThat(t.path("default_workdir").asText()).isEqualTo("/srv/app");
                    assertThat(t.path("platform").asBoolean()).isFalse();
                });
        var capsule = lab.create("app");
        assertThat(
                        lab.run(
                                capsule,
                                "id -un; pwd; /opt/app/main.sh; cat who;"
                                        + " stat -c %U:%a /opt/app/lib/x renamed.sh 2>&1;"
                                        + " ls /tmp"))
                .isEqualTo(
                        """
                        deploy
                        /srv/app
                        hello
                        root
                        deploy:755
                        deploy:755
                        """);
        lab.delete("/capsules/" + capsule);
        lab.delete("/snapshots/app");
    }

    @Test
    void with_a_healthcheck_the_programs_it_started_run_in_every_new_capsule() {
        var body =
                WrennLab.build(
                        "service",
                        "WORKDIR /srv/www",
                        "RUN echo welcome > index.html",
                        "START exec python3 -m http.server 8000");
        body.put(
                "healthcheck",
                "--interval=500ms --timeout=5s --start-period=60s --retries=20"
                        + " curl -fsS http://127.0.0.1:8000/");
        lab.succeeded(lab.post("/builds", body, 201));

        var first = lab.create("service");
        var second = lab.create("service");

        for (var capsule : List.of(first, second)) {
            assertThat(lab.run(capsule, "curl -fsS http://127.0.0.1:8000/")).isEqualTo("welcome\n");
            lab.delete("/capsules/" + capsule);
        }
        lab.delete("/snapshots/service");
    }

    private static JsonNode edition(String edition) {
        var body =
                WrennLab.build(
                        "edition",
                        "RUN echo %s > /srv/edition; head -c 2000000 /dev/urandom > /srv/drawn"
                                .formatted(edition),
                        "START mkfifo /run/ask /run/answer; n=%s; while read -r _ < /run/ask;"
                                        .formatted(edition)
                                + " do n=$n+1; echo $n > /run/answer; done");
        body.put("healthcheck", "test -p /run/answer");
        return lab.succeeded(lab.post("/builds", body, 201));
    }

    private static String change(String capsule, String how) {
        var path = "/capsules/" + capsule + "/" + how;
        return lab.post(path, WrennLab.JSON.createObjectNode(), 200).path("status").asText();
    }

    @Test
    void what_was_made_from_a_template_lives_on_when_another_takes_its_name() {
        // Gaps D7, D8. The program has run since before the template was saved.
        var state = "cat /srv/edition; sha256sum /srv/drawn /srv/mine";
        var count = "echo x > /run/ask; cat /run/answer";
        edition("old");
        var capsules = new ArrayList<String>();
        var states = new ArrayList<String>();
        for (int i = 0; i < 5; i++) {
            var capsule = lab.create("edition");
            lab.run(capsule, "head -c 1000000 /dev/urandom > /srv/mine");
            assertThat(lab.run(capsule, count)).isEqualTo("old+1\n");
            states.add(lab.run(capsule, state));
            assertThat(change(capsule, "pause")).isEqualTo("paused");
            capsules.add(capsule);
        }

        lab.delete("/snapshots/edition");
        edition("new");

        for (int i = 0; i < 5; i++) {
            var capsule = capsules.get(i);
            assertThat(change(capsule, "resume")).isEqualTo("running");
            assertThat(lab.run(capsule, state)).isEqualTo(states.get(i)).startsWith("old");
            assertThat(lab.run(capsule, count)).isEqualTo("old+1+1\n");
            lab.delete("/capsules/" + capsule);
        }
        var fresh = lab.create("edition");
        assertThat(lab.run(fresh, count)).isEqualTo("new+1\n");
        lab.delete("/capsules/" + fresh);
        lab.delete("/snapshots/edition");
    }

    @Test
    void a_step_that_fails_says_so_and_leaves_nothing() {
        var before = lab.host().templates();
        var body =
                WrennLab.build(
                        "broken", "RUN echo before", "RUN echo oops >&2; exit 3", "RUN true");

        var build = lab.ended(lab.post("/builds", body, 201));

        assertThat(build.path("status").asText()).isEqualTo("failed");
        assertThat(build.path("error").asText()).contains("step 2", "exit code 3");
        assertThat(steps(build)).hasSize(2);
        assertThat(steps(build).getLast().path("stderr").asText()).isEqualTo("oops\n");
        assertThat(lab.host().inventory()).isEmpty();
        assertThat(lab.host().templates()).isEqualTo(before);
    }

    @Test
    void a_step_ends_with_its_limit() {
        var body = WrennLab.build("slow", "RUN --timeout=1s sleep 600");

        var build = lab.ended(lab.post("/builds", body, 201));

        assertThat(build.path("status").asText()).isEqualTo("failed");
        assertThat(steps(build).getFirst().path("stderr").asText())
                .contains("killed after 1000 ms");
        assertThat(steps(build).getFirst().path("exit").asInt()).isEqualTo(-1);
    }

    @Test
    void who_follows_a_build_sees_output_before_its_step_has_ended() {
        var body = WrennLab.build("watched", "RUN --timeout=5m echo begun; sleep 600");
        var build = lab.post("/builds", body, 201);
        var id = build.path("id").asText();
        Eventually.within(
                SOON,
                () ->
                        lab.lines("/builds/" + id + "/logs").stream()
                                .anyMatch(l -> l.contains("begun")));

        lab.send(
                lab.request("/builds/" + id + "/cancel")
                        .POST(java.net.http.HttpRequest.BodyPublishers.noBody())
                        .build());

        var followed = lab.lines("/builds/" + id + "/logs?follow=true");
        assertThat(followed.getFirst()).contains("\"event\":\"output\"", "begun");
        assertThat(followed.getLast()).contains("\"event\":\"end\"", "cancelled");
        assertThat(lab.get("/builds/" + id).path("status").asText()).isEqualTo("cancelled");
        Eventually.within(SOON, () -> lab.host().inventory().isEmpty());
    }
}
