package dev.wrenn.control;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import dev.wrenn.base.Kind;
import dev.wrenn.contract.host.StockTemplate;
import dev.wrenn.simhost.FailPoint;
import dev.wrenn.testkit.Eventually;
import java.time.Duration;
import java.util.HashSet;
import java.util.List;
import java.util.UUID;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Templates that are made when somebody wants them. */
class StockTemplatesTest {
    private static final Duration SOON = Duration.ofSeconds(20);

    @RegisterExtension private static final ControlRig RIG = new ControlRig();

    private final String name = "stock-" + UUID.randomUUID().toString().substring(0, 8);
    private Api client;

    @BeforeEach
    void start() {
        client = RIG.newClient();
    }

    @AfterEach
    void lets_pass_again() {
        for (var point : FailPoint.values()) {
            RIG.host().failPoints().clear(point);
        }
    }

    /** A server that knows the template, on the database and the host of the others. */
    private ControlPlane serve(String revision, boolean runsPrograms) {
        RIG.host().offer(List.of(new StockTemplate(name, revision, runsPrograms, 384)));
        return RIG.another();
    }

    private Api.Answer create() {
        return client.post("/v1/capsules", "{\"template\":\"%s\"}".formatted(name));
    }

    private JsonNode template() {
        for (var template : client.get("/v1/snapshots").is(200)) {
            if (template.path("name").asText().equals(name)) {
                return template;
            }
        }
        throw new AssertionError("template " + name + " is not listed");
    }

    private String status() {
        return template().path("status").asText();
    }

    private JsonNode build(String id) {
        return client.get("/v1/builds/" + id).is(200);
    }

    private String ended(JsonNode build) {
        var id = build.path("id").asText();
        Eventually.within(SOON, () -> build(id).has("completed_at"));
        return build(id).path("status").asText();
    }

    private JsonNode buildIt() {
        return client.post("/v1/builds", "{\"name\":\"%s\"}".formatted(name)).is(201);
    }

    private static JsonNode error(Api.Answer answer, int status) {
        return answer.is(status).path("error");
    }

    @Test
    void it_is_listed_before_it_is_made_and_no_team_can_take_its_name() {
        try (var _ = serve("1", false)) {
            assertThat(status()).isEqualTo("absent");
            assertThat(template().path("platform").asBoolean()).isTrue();

            var capsule = client.post("/v1/capsules", "{}").is(201).path("id").asText();
            var body = "{\"sandbox_id\":\"%s\",\"name\":\"%s\"}".formatted(capsule, name);
            assertThat(error(client.post("/v1/snapshots", body), 409).path("code").asText())
                    .isEqualTo("name_reserved");
        }
    }

    @Test
    void whoever_creates_from_it_first_is_told_at_once_how_to_follow_and_then_gets_a_capsule() {
        var made = RIG.host().failPoints().block(FailPoint.CREATE_TEMPLATE);
        try (var _ = serve("1", false)) {
            var refusal = error(create(), 503);
            assertThat(refusal.path("code").asText()).isEqualTo("template_not_ready");
            assertThat(refusal.path("message").asText())
                    .contains("bld-", "wrenn template build " + name);
            assertThat(status()).isEqualTo("building");

            made.close();
            Eventually.within(SOON, () -> status().equals("ready"));

            create().is(201);
        }
    }

    @Test
    void many_who_want_it_wait_for_one_build() {
        var made = RIG.host().failPoints().block(FailPoint.CREATE_TEMPLATE);
        try (var _ = serve("1", false)) {
            var builds = new HashSet<String>();
            for (int i = 0; i < 5; i++) {
                create().is(503);
                builds.add(buildIt().path("id").asText());
            }

            assertThat(builds).hasSize(1);
            made.close();
            Eventually.within(SOON, () -> status().equals("ready"));
        }
    }

    @Test
    void a_build_by_name_shows_its_steps_to_every_team_and_ends_none_of_them() {
        try (var _ = serve("1", false)) {
            var build = buildIt();
            assertThat(ended(build)).isEqualTo("success");

            var other = RIG.newClient().get("/v1/builds/" + build.path("id").asText()).is(200);
            assertThat(other.path("logs").findValuesAsText("cmd"))
                    .containsExactly("DISK " + name, "BOOT 1 vCPU, 512 MiB");
            assertThat(other.path("current_step")).isEqualTo(other.path("total_steps"));
            client.post("/v1/builds/" + build.path("id").asText() + "/cancel", "").is(403);
        }
    }

    @Test
    void what_is_made_already_is_not_made_again() {
        try (var _ = serve("1", false)) {
            ended(buildIt());
            var first = template();

            assertThat(ended(buildIt())).isEqualTo("success");

            assertThat(template()).isEqualTo(first);
            create().is(201);
        }
    }

    @Test
    void a_new_recipe_is_built_with_the_next_use_while_the_old_one_still_serves() {
        try (var _ = serve("1", false)) {
            ended(buildIt());
        }
        long before = RIG.host().templates().size();
        try (var _ = serve("2", false)) {
            assertThat(status()).isEqualTo("outdated");

            create().is(201);

            Eventually.within(SOON, () -> status().equals("ready"));
            assertThat(RIG.host().templates()).as("the old one is gone").hasSize((int) before);
            create().is(201);
        }
    }

    @Test
    void a_shape_of_one_that_runs_programs_is_prepared_before_capsules_are_made_of_it() {
        try (var _ = serve("1", true)) {
            ended(buildIt());
            create().is(201);
            var larger = "{\"template\":\"%s\",\"memory_mb\":1024}".formatted(name);

            assertThat(error(client.post("/v1/capsules", larger), 503).path("code").asText())
                    .isEqualTo("template_not_ready");

            Eventually.within(SOON, () -> client.post("/v1/capsules", larger).status() == 201);
        }
    }

    @Test
    void a_shape_that_is_too_small_is_refused() {
        try (var _ = serve("1", true)) {
            var small = "{\"template\":\"%s\",\"memory_mb\":256}".formatted(name);

            assertThat(error(client.post("/v1/capsules", small), 400).path("message").asText())
                    .contains("384");
        }
    }

    @Test
    void why_it_cannot_be_made_is_told_to_those_who_ask_next() {
        RIG.host()
                .failPoints()
                .fail(FailPoint.CREATE_TEMPLATE, Kind.UNAVAILABLE, "no registry is reachable");
        try (var _ = serve("1", false)) {
            create().is(503);
            Eventually.within(SOON, () -> !status().equals("building"));

            var refusal = error(create(), 502);

            assertThat(refusal.path("message").asText()).contains("no registry is reachable");
            assertThat(status()).isEqualTo("absent");
            RIG.host().failPoints().clear(FailPoint.CREATE_TEMPLATE);
            assertThat(ended(buildIt())).as("a build by name tries at once").isEqualTo("success");
            create().is(201);
        }
    }

    @Test
    void one_that_the_host_has_lost_is_made_again() {
        try (var _ = serve("1", false)) {
            ended(buildIt());
            var held = RIG.host().templates().stream().filter(t -> t.sizeBytes() > 0).toList();
            held.forEach(t -> RIG.host().deleteTemplate(t.template()));

            create().is(503);

            Eventually.within(SOON, () -> status().equals("ready"));
            create().is(201);
        }
    }

    @Test
    void a_recipe_on_one_that_is_not_made_has_it_made_first() {
        try (var _ = serve("1", false)) {
            var body =
                    "{\"name\":\"mine\",\"base_template\":\"%s\",\"recipe\":[\"RUN true\"]}"
                            .formatted(name);

            assertThat(error(client.post("/v1/builds", body), 503).path("code").asText())
                    .isEqualTo("template_not_ready");

            Eventually.within(SOON, () -> client.post("/v1/builds", body).status() == 201);
        }
    }
}
