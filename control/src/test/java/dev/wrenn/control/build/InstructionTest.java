package dev.wrenn.control.build;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.wrenn.control.http.ApiException;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Contract §3.10: the language of recipes. */
class InstructionTest {
    @Test
    void every_instruction_is_understood_in_any_case() {
        assertThat(Instruction.parse("RUN echo  a b"))
                .isEqualTo(new Instruction.Run(Optional.empty(), "echo  a b"));
        assertThat(Instruction.parse("run --timeout=1m30s make all"))
                .isEqualTo(new Instruction.Run(Optional.of(Duration.ofSeconds(90)), "make all"));
        assertThat(Instruction.parse("Start serve -p 80"))
                .isEqualTo(new Instruction.Start("serve -p 80"));
        assertThat(Instruction.parse("ENV A=b=c d")).isEqualTo(new Instruction.Env("A", "b=c d"));
        assertThat(Instruction.parse("ENV EMPTY=")).isEqualTo(new Instruction.Env("EMPTY", ""));
        assertThat(Instruction.parse("WORKDIR /srv/app"))
                .isEqualTo(new Instruction.WorkDir("/srv/app"));
        assertThat(Instruction.parse("USER _web-1")).isEqualTo(new Instruction.User("_web-1"));
        assertThat(Instruction.parse("COPY a  b/c /dst/"))
                .isEqualTo(new Instruction.Copy(List.of("a", "b/c"), "/dst/"));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "FROM debian",
                "RUN",
                "RUN --timeout=0s true",
                "RUN --timeout=soon true",
                "RUN --timeout=5s",
                "RUN --timeout=99h true",
                "START ",
                "ENV A",
                "ENV 1A=x",
                "ENV =x",
                "WORKDIR",
                "USER",
                "USER a b",
                "USER -root",
                "USER ../x",
                "USER x;reboot",
                "COPY a",
                "COPY /etc/passwd /x",
                "COPY ../x /x",
                "COPY a/../../x /x"
            })
    void what_is_no_instruction_is_refused(String line) {
        assertThatThrownBy(() -> Instruction.parse(line)).isInstanceOf(ApiException.class);
    }

    @ParameterizedTest
    @CsvSource({
        "30s, 30000",
        "5m, 300000",
        "1h30m, 5400000",
        "1.5s, 1500",
        "250ms, 250",
        "0, 0",
        "1h1m1s1ms, 3661001"
    })
    void durations_are_written_as_go_does(String text, long millis) {
        assertThat(GoDuration.parse("limit", text, Duration.ofHours(2)).toMillis())
                .isEqualTo(millis);
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "s", "10", "-5s", "5 s", "1d", "5S", "99999999999999999999h", "3h"})
    void other_durations_are_refused(String text) {
        assertThatThrownBy(() -> GoDuration.parse("limit", text, Duration.ofHours(2)))
                .isInstanceOf(ApiException.class)
                .hasMessageStartingWith("limit");
    }

    @ParameterizedTest
    @CsvSource({
        "$A, x",
        "${A}b, xb",
        "$Ab, ''",
        "$A/$B, x/y z",
        "$$A, $A",
        "$, $",
        "a$1, a$1",
        "${A, ${A",
        "$NONE-${NONE}, -"
    })
    void values_may_name_variables(String text, String expected) {
        assertThat(Variables.expand(text, Map.of("A", "x", "B", "y z"))).isEqualTo(expected);
    }

    @Test
    void a_healthcheck_has_options_and_a_command() {
        var check =
                Healthcheck.parse(
                        "--interval=5s --timeout=4s --start-period=1m --retries=5 curl -f"
                                + " --max-time 1 localhost");

        assertThat(check)
                .contains(
                        new Healthcheck(
                                "curl -f --max-time 1 localhost",
                                Duration.ofSeconds(5),
                                Duration.ofSeconds(4),
                                Duration.ofMinutes(1),
                                5));
        assertThat(check.orElseThrow().overallLimit()).isEqualTo(Duration.ofSeconds(94));
        assertThat(Healthcheck.parse("true"))
                .contains(
                        new Healthcheck(
                                "true",
                                Duration.ofSeconds(3),
                                Duration.ofSeconds(10),
                                Duration.ZERO,
                                0));
        assertThat(Healthcheck.parse(" ")).isEmpty();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "--interval=0 true",
                "--interval true",
                "--retries=-1 true",
                "--retries=x true",
                "--fast=1s true",
                "--timeout=5s"
            })
    void other_healthchecks_are_refused(String text) {
        assertThatThrownBy(() -> Healthcheck.parse(text)).isInstanceOf(ApiException.class);
    }
}
