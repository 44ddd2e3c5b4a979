package dev.wrenn.bench;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.ObjectMapper;
import dev.wrenn.base.WrennException;
import dev.wrenn.bench.Row.Bound;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ReportTest {
    @TempDir Path folder;

    private static Row row(double value, Bound bound, double limit) {
        return new Row("resume", "a resume", "≤ it", "ms", value, bound, limit, Map.of("a", 1));
    }

    private static Report report(Row... rows) {
        return new Report(
                Report.SCHEMA,
                "2026-01-02T03:04:05Z",
                Map.of("cores", "2"),
                3,
                List.of(new Report.Section("idle", List.of(rows))));
    }

    @Test
    void a_promise_is_kept_up_to_its_limit_and_broken_beyond() {
        assertThat(row(10, Bound.AT_MOST, 10).isKept()).isTrue();
        assertThat(row(10.1, Bound.AT_MOST, 10).isKept()).isFalse();
        assertThat(row(15, Bound.AT_LEAST, 15).isKept()).isTrue();
        assertThat(row(14.9, Bound.AT_LEAST, 15).isKept()).isFalse();
    }

    @Test
    void a_value_that_is_no_number_keeps_no_promise() {
        assertThat(row(Double.NaN, Bound.AT_MOST, 10).isKept()).isFalse();
        assertThat(row(Double.NaN, Bound.AT_LEAST, 10).isKept()).isFalse();
    }

    @Test
    void one_broken_promise_breaks_the_report() {
        var kept = row(1, Bound.AT_MOST, 2);
        var broken = row(3, Bound.AT_MOST, 2);

        assertThat(report(kept, kept).allKept()).isTrue();
        assertThat(report(kept, broken).allKept()).isFalse();
        assertThat(report(kept, broken).markdown()).contains("| **broken** |", "| kept |");
    }

    @Test
    void both_forms_are_written_and_the_json_says_what_was_kept() throws IOException {
        var file = report(row(3, Bound.AT_MOST, 2)).write(folder.resolve("results"));

        var json = new ObjectMapper().readTree(Files.readString(file));
        assertThat(json.path("schema").asInt()).isEqualTo(2);
        var measured = json.path("sections").path(0).path("rows").path(0);
        assertThat(measured.path("value").asDouble()).isEqualTo(3);
        assertThat(measured.path("kept").asBoolean(true)).isFalse();
        assertThat(file.resolveSibling("2026-01-02T030405Z.md")).content().contains("a resume");
    }

    @Test
    void only_the_measured_part_of_the_specification_is_replaced() throws IOException {
        var specification = folder.resolve("SPECIFICATION.md");
        Files.writeString(
                specification,
                """
                before
                <!-- measured by ./wrenn bench idle: begin -->
                old
                <!-- measured by ./wrenn bench idle: end -->
                after
                """);

        report(row(1, Bound.AT_MOST, 2)).writeInto(specification);
        report(row(1, Bound.AT_MOST, 2)).writeInto(specification);

        assertThat(specification)
                .content()
                .startsWith("before\n")
                .endsWith("<!-- measured by ./wrenn bench idle: end -->\nafter\n")
                .contains("**1.00 ms**")
                .doesNotContain("old")
                .containsOnlyOnce("a resume");
    }

    @Test
    void a_specification_without_a_place_for_values_is_refused_and_kept() throws IOException {
        var specification = folder.resolve("SPECIFICATION.md");
        Files.writeString(specification, "text");

        assertThatThrownBy(() -> report().writeInto(specification))
                .isInstanceOf(WrennException.class);
        assertThat(specification).hasContent("text");
    }

    @Test
    void topics_are_found_by_their_words_and_none_means_all() {
        assertThat(Topic.of(List.of())).containsExactly(Topic.values());
        assertThat(Topic.of(List.of("idle", "faults", "idle")))
                .containsExactly(Topic.FAULTS, Topic.IDLE);
        assertThatThrownBy(() -> Topic.of(List.of("speed")))
                .isInstanceOf(WrennException.class)
                .hasMessageContaining("speed")
                .hasMessageContaining("lifecycle");
    }

    @Test
    void the_median_is_the_middle_or_the_mean_of_both() {
        assertThat(Samples.of(List.of(5.0, 1.0, 3.0)).median()).isEqualTo(3);
        assertThat(Samples.of(List.of(4.0, 1.0, 3.0, 100.0)).median()).isEqualTo(3.5);
        assertThatThrownBy(() -> Samples.of(List.of()))
                .isInstanceOf(IllegalArgumentException.class);
    }
}
