package dev.wrenn.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.wrenn.base.WrennException;
import org.junit.jupiter.api.Test;

class WitnessTest {
    @Test
    void the_pattern_s_checksum_is_the_one_that_python_computes() {
        // Computed with Python's hashlib from the text of the program.
        assertThat(Witness.expectedChecksum())
                .isEqualTo("1dec5acafcdcfed1682530244ce917d202d77a741d1fa3d3ad9c5cd70a4d6478");
    }

    @Test
    void a_testimony_has_three_words_and_anything_else_is_refused() {
        assertThat(Witness.Testimony.parse("abc 12 def\n"))
                .isEqualTo(new Witness.Testimony("abc", 12, "def"));
        assertThatThrownBy(() -> Witness.Testimony.parse("abc 12"))
                .isInstanceOf(WrennException.class);
    }
}
