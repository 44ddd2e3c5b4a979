package dev.wrenn.control.build;

import static org.assertj.core.api.Assertions.assertThat;

import dev.wrenn.control.auth.TeamId;
import dev.wrenn.control.capsule.TemplateDefaults;
import dev.wrenn.control.http.JsonBody;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What a state of a build is named after. */
class StepKeysTest {
    private static final Instant NOON = Instant.parse("2026-05-20T12:00:00Z");

    private static List<String> keys(
            boolean bare, int memoryMb, String contents, Instant at, String... lines) {
        var body = JsonBody.JSON.createObjectNode().put("name", "x").put("skip_pre_post", bare);
        var recipe = body.putArray("recipe");
        List.of(lines).forEach(recipe::add);
        var spec = BuildSpec.of(JsonBody.parse(body.toString()), new BuildSpec.Shape(1, memoryMb));
        return StepKeys.of(
                new Build(
                        BuildId.random(),
                        TeamId.PLATFORM,
                        spec,
                        contents,
                        BuildStatus.PENDING,
                        0,
                        "",
                        Optional.empty(),
                        Optional.empty(),
                        false,
                        0,
                        0,
                        TemplateDefaults.NONE,
                        at,
                        Optional.empty(),
                        Optional.empty()),
                "base");
    }

    private static List<String> keys(String... lines) {
        return keys(true, 512, "{}", NOON, lines);
    }

    private static String copyOf(String source, String contents) {
        return keys(true, 512, contents, NOON, "COPY " + source + " /to/").getFirst();
    }

    @Test
    void equal_beginnings_have_equal_names_and_nothing_after_a_difference_has() {
        var one = keys("RUN a", "RUN b", "RUN c");
        var two = keys("RUN a", "RUN other", "RUN c");

        assertThat(two.get(0)).isEqualTo(one.get(0));
        assertThat(two.subList(1, 3)).doesNotContainAnyElementsOf(one);
        assertThat(one).doesNotHaveDuplicates();
    }

    @Test
    void the_machine_is_part_of_every_name() {
        assertThat(keys(true, 1024, "{}", NOON, "RUN a"))
                .doesNotContainAnyElementsOf(keys("RUN a"));
    }

    @ParameterizedTest
    @CsvSource({
        "app,        app/main.py",
        "./app/,     app/main.py",
        "app/main.py, app/main.py",
        "., app/main.py",
        "./, app/main.py"
    })
    void a_copied_file_that_changed_makes_another_state(String source, String path) {
        assertThat(copyOf(source, "{\"%s\":\"1\"}".formatted(path)))
                .isNotEqualTo(copyOf(source, "{\"%s\":\"2\"}".formatted(path)));
    }

    @Test
    void a_file_that_no_line_copies_makes_no_difference() {
        assertThat(copyOf("app", "{\"app/x\":\"1\",\"apple\":\"1\",\"README\":\"1\"}"))
                .isEqualTo(copyOf("app", "{\"app/x\":\"1\",\"apple\":\"2\",\"README\":\"2\"}"));
    }

    @Test
    void a_package_index_is_good_for_a_day() {
        var today = keys(false, 512, "{}", NOON, "RUN a");

        assertThat(keys(false, 512, "{}", NOON.plusSeconds(3600), "RUN a")).isEqualTo(today);
        assertThat(keys(false, 512, "{}", NOON.plusSeconds(86_400), "RUN a"))
                .doesNotContainAnyElementsOf(today);
    }
}
