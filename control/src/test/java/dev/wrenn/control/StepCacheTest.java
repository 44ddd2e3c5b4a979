package dev.wrenn.control;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import dev.wrenn.contract.host.HostTemplate;
import dev.wrenn.control.capsule.ControlConfig;
import dev.wrenn.simhost.ScriptedPrograms;
import dev.wrenn.testkit.Eventually;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Steps that an earlier build has done are not done again. */
class StepCacheTest {
    private static final Duration SOON = Duration.ofSeconds(30);

    /** What the steps ran, with what they were told by ENV. */
    private static final LinkedBlockingQueue<String> RAN = new LinkedBlockingQueue<>();

    @RegisterExtension
    private static final ControlRig RIG =
            new ControlRig(
                    new ScriptedPrograms(Map.of("/bin/sh", StepCacheTest::shell, "env", _ -> 0)),
                    ControlConfig.DEFAULTS);

    private Api client;

    /** {@code slow} takes so long that its outcome is worth keeping. */
    private static int shell(ScriptedPrograms.Console console) throws InterruptedException {
        var command = console.arguments().get(1);
        if (command.startsWith("slow") || command.startsWith("quick")) {
            RAN.add(command + console.order().environment().getOrDefault("TOLD", ""));
        }
        if (command.startsWith("slow")) {
            assertThat(new CountDownLatch(1).await(1100, TimeUnit.MILLISECONDS)).isFalse();
        }
        return command.endsWith("fail") ? 1 : 0;
    }

    @BeforeEach
    void start() {
        client = RIG.newClient();
        RAN.clear();
    }

    /** What ran, since it was asked last. */
    private static List<String> ran() {
        var commands = new ArrayList<String>();
        RAN.drainTo(commands);
        return commands;
    }

    private JsonNode build(Api of, String more, String... lines) {
        var json = Api.JSON.createObjectNode().put("name", "app").put("skip_pre_post", true);
        json.put("overwrite", true);
        if (!more.isEmpty()) {
            json.put(more, true);
        }
        var recipe = json.putArray("recipe");
        List.of(lines).forEach(recipe::add);
        var id = of.post("/v1/builds", json.toString()).is(201).path("id").asText();
        Eventually.within(SOON, () -> of.get("/v1/builds/" + id).is(200).has("completed_at"));
        return of.get("/v1/builds/" + id).is(200);
    }

    private JsonNode build(String... lines) {
        var built = build(client, "", lines);
        assertThat(built.path("status").asText()).as(built.toPrettyString()).isEqualTo("success");
        return built;
    }

    private static List<Boolean> cached(JsonNode build) {
        return StreamSupport.stream(build.path("logs").spliterator(), false)
                .map(step -> step.path("cached").asBoolean())
                .toList();
    }

    @Test
    void a_build_goes_on_from_the_last_step_it_has_in_common_with_an_earlier_one() {
        build("RUN slow one", "ENV TOLD=yes", "RUN slow two", "RUN quick three");
        assertThat(ran()).containsExactly("slow one", "slow twoyes", "quick threeyes");

        var second = build("RUN slow one", "ENV TOLD=yes", "RUN slow two", "RUN quick four");

        assertThat(ran())
                .as("with the variables of the steps before")
                .containsExactly("quick fouryes");
        assertThat(cached(second)).containsExactly(true, true, true, false);
        assertThat(second.path("default_env").path("TOLD").asText()).isEqualTo("yes");
    }

    @Test
    void a_line_that_changed_runs_with_all_that_follow() {
        build("RUN slow one", "RUN slow two");
        ran();

        var second = build("RUN slow other", "RUN slow two");

        assertThat(ran()).containsExactly("slow other", "slow two");
        assertThat(cached(second)).containsExactly(false, false);
    }

    @Test
    void a_build_that_fails_leaves_what_it_came_to() {
        var failed = build(client, "", "RUN slow one", "RUN quick fail");
        assertThat(failed.path("status").asText()).isEqualTo("failed");
        ran();

        build("RUN slow one", "RUN quick mended");

        assertThat(ran()).containsExactly("quick mended");
    }

    @Test
    void no_cache_runs_every_step() {
        build("RUN slow one");
        ran();

        var second = build(client, "no_cache", "RUN slow one");

        assertThat(ran()).containsExactly("slow one");
        assertThat(cached(second)).containsExactly(false);
    }

    @Test
    void no_team_gets_what_another_has_built() {
        build("RUN slow one");
        ran();

        build(RIG.newClient(), "", "RUN slow one");

        assertThat(ran()).containsExactly("slow one");
    }

    @Test
    void a_state_that_the_host_has_lost_is_come_to_again() {
        build("RUN slow one");
        ran();
        RIG.host().templates().stream()
                .filter(HostTemplate::isSnapshot)
                .forEach(t -> RIG.host().deleteTemplate(t.template()));

        build("RUN slow one");
        assertThat(ran()).containsExactly("slow one");
        build("RUN slow one");
        assertThat(ran()).isEmpty();
    }

    @Test
    void capsules_and_templates_of_builds_stay_no_longer_than_they_did() {
        build("RUN slow one");
        long states = RIG.host().templates().stream().filter(HostTemplate::isSnapshot).count();

        build("RUN slow one");

        assertThat(RIG.host().inventory()).isEmpty();
        assertThat(RIG.host().templates().stream().filter(HostTemplate::isSnapshot))
                .hasSize((int) states);
    }
}
