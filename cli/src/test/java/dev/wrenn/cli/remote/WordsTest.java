package dev.wrenn.cli.remote;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.wrenn.base.Kind;
import dev.wrenn.base.WrennException;
import java.time.Duration;
import java.time.Instant;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class WordsTest {
    @ParameterizedTest
    @CsvSource({"90,90", "90s,90", "5m,300", "1h30m,5400", "2h,7200", "1m5,65"})
    void durations_are_read_as_people_write_them(String text, long seconds) {
        assertThat(Words.duration(text)).isEqualTo(Duration.ofSeconds(seconds));
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "x", "-5", "5d", "1.5h", "m"})
    void what_is_no_duration_is_refused_with_an_example(String text) {
        assertThatThrownBy(() -> Words.duration(text))
                .isInstanceOfSatisfying(
                        WrennException.class, e -> assertThat(e.kind()).isEqualTo(Kind.INVALID))
                .hasMessageContaining("1h30m");
    }

    @ParameterizedTest
    @CsvSource({"512,512", "512M,512", "512mib,512", "2G,2048", "2 GiB,2048"})
    void memory_sizes_are_mebibytes_unless_a_unit_says_otherwise(String text, long mib) {
        assertThat(Words.memoryMb(text)).isEqualTo(mib);
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "much", "-1", "1.5G", "99999999999999999999"})
    void what_is_no_memory_size_is_refused(String text) {
        assertThatThrownBy(() -> Words.memoryMb(text))
                .isInstanceOfSatisfying(
                        WrennException.class, e -> assertThat(e.kind()).isEqualTo(Kind.INVALID));
    }

    @Test
    void sizes_and_ages_have_one_unit() {
        var now = Instant.parse("2026-01-02T03:04:05Z");

        assertThat(Words.size(1023)).isEqualTo("1023 B");
        assertThat(Words.size(1536)).isEqualTo("1.5 KiB");
        assertThat(Words.size(5L << 30)).isEqualTo("5.0 GiB");
        assertThat(Words.age("2026-01-02T03:04:00Z", now)).isEqualTo("5s");
        assertThat(Words.age("2026-01-01T03:04:05Z", now)).isEqualTo("1d");
        assertThat(Words.age("", now)).isEqualTo("-");
    }

    @Test
    void columns_are_as_wide_as_what_is_in_them() {
        assertThat(new Table("A", "LONG", "C").row("wide one", "x", "end").lines())
                .containsExactly("A         LONG  C", "wide one  x     end");
    }
}
