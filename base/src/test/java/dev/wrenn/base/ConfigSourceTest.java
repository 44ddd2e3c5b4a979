package dev.wrenn.base;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class ConfigSourceTest {
    private static ConfigSource of(String text) {
        return new ConfigSource(List.of(ConfigSource.text("wrenn.conf", text)));
    }

    private static List<String> problemsOf(ConfigSource source) {
        return catchThrowableOfType(ConfigInvalid.class, source::done).problems();
    }

    @Test
    void values_have_their_units_and_defaults_stand_for_what_is_not_set() {
        var source =
                of(
                        """
                        # how much
                        [limits]
                        memory = 2GiB
                        wait = 90s
                        count = 12
                        strict = true
                        folder = /var/lib/../lib/x
                        """);

        assertThat(source.size("limits.memory", ByteSize.mib(1))).isEqualTo(ByteSize.gib(2));
        assertThat(source.duration("limits.wait", Duration.ZERO)).hasSeconds(90);
        assertThat(source.count("limits.count", 0)).isEqualTo(12);
        assertThat(source.flag("limits.strict", false)).isTrue();
        assertThat(source.path("limits.folder", Path.of("/"))).isEqualTo(Path.of("/var/lib/x"));
        assertThat(source.duration("limits.other", Duration.ofHours(2))).hasHours(2);
        source.done();
    }

    @Test
    void flags_win_over_the_environment_and_the_environment_over_the_file() {
        var file = ConfigSource.text("wrenn.conf", "[server]\na = file\nb = file\nc = file");
        var environment =
                ConfigSource.environment(
                        Map.of("WRENN_SERVER_A", "env", "LISTEN", "env", "WRENN_OTHER", "x"),
                        List.of("server"),
                        Map.of("LISTEN", "server.b"));
        var flags = new ConfigSource.Layer("flags", Map.of("server.a", "flag"));

        var source = new ConfigSource(List.of(flags, environment, file));

        assertThat(source.text("server.a", "", false)).isEqualTo("flag");
        assertThat(source.text("server.b", "", false)).isEqualTo("env");
        assertThat(source.text("server.c", "", false)).isEqualTo("file");
        source.done();
    }

    @Test
    void all_problems_are_reported_at_once_and_name_their_place() {
        var source =
                of(
                        """
                        [limits]
                        wait = 90
                        memory = lots
                        max-vcpu = 4
                        """);
        source.duration("limits.wait", Duration.ZERO);
        source.size("limits.memory", ByteSize.mib(1));
        source.count("limits.max-vcpus", 8);
        source.build(
                "limits",
                "instead",
                () -> {
                    throw new IllegalArgumentException("max-vcpus must be at least 1");
                });

        assertThat(problemsOf(source))
                .containsExactly(
                        "wrenn.conf: limits.wait cannot be \"90\": expected a number and a unit,"
                                + " such as 500ms, 30s, 5m, 2h or 1d",
                        "wrenn.conf: limits.memory cannot be \"lots\": expected a number and a"
                                + " unit, such as 64KiB, 512MiB or 2GiB",
                        "[limits]: max-vcpus must be at least 1",
                        "wrenn.conf: there is no setting limits.max-vcpu; did you mean"
                                + " limits.max-vcpus?");
    }

    @Test
    void a_misspelt_variable_of_a_known_section_is_an_error_too() {
        var environment =
                ConfigSource.environment(
                        Map.of("WRENN_SERVER_LISTN", "x", "WRENN_API_KEY", "theirs"),
                        List.of("server"),
                        Map.of());
        var source = new ConfigSource(List.of(environment));
        source.text("server.listen", "", true);

        assertThat(problemsOf(source))
                .containsExactly(
                        "environment: there is no setting server.listn; did you mean"
                                + " server.listen?");
    }

    @Test
    void lines_that_mean_nothing_are_refused_with_their_numbers() {
        assertThatThrownBy(() ->
                        ConfigSource.text("wrenn.conf", "early = 1\n[a]\nnonsense\nx = 1\nx = 2"))
                .isInstanceOfSatisfying(
                        ConfigInvalid.class,
                        e ->
                                assertThat(e.problems())
                                        .hasSize(3)
                                        .satisfiesExactly(
                                                p -> assertThat(p).contains("line 1", "[section]"),
                                                p -> assertThat(p).contains("line 3", "nonsense"),
                                                p -> assertThat(p).contains("line 5", "twice")));
    }

    @Test
    void numbers_too_large_are_refused_and_not_wrapped() {
        var source =
                of("[a]\nn = 99999999999\nd = 999999999999999999d\ns = 99999999999TiB\nm = 1x");
        source.count("a.n", 0);
        source.duration("a.d", Duration.ZERO);
        source.size("a.s", ByteSize.mib(0));
        source.number("a.m", 0);

        assertThat(problemsOf(source)).hasSize(4);
    }

    @Test
    void secrets_are_hidden_among_the_effective_values() {
        var source = of("[db]\npassword = hunter2\n");

        assertThat(source.secret("db.password"))
                .hasValueSatisfying(s -> assertThat(s.matches("hunter2")).isTrue());
        source.text("db.user", "wrenn", false);

        assertThat(source.effective()).isEqualTo(Map.of("db.password", "***", "db.user", "wrenn"));
    }
}
