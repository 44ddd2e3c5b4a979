package dev.wrenn.control.build;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;

class StepOutputTest {
    @Test
    void a_character_that_arrives_in_pieces_stays_whole() {
        var live = new StringBuilder();
        var output = new StepOutput(live::append);
        var bytes = "aé€😀z".getBytes(StandardCharsets.UTF_8);

        for (byte b : bytes) {
            output.add(new byte[] {b});
        }

        assertThat(output.end()).isEqualTo("aé€😀z");
        assertThat(live).hasToString("aé€😀z");
    }

    @Test
    void what_is_no_text_is_replaced_and_half_a_character_at_the_end_too() {
        var output = new StepOutput(_ -> {});

        output.add(new byte[] {'a', (byte) 0xff, 'b', (byte) 0xe2, (byte) 0x82});

        assertThat(output.end()).isEqualTo("a\ufffdb\ufffd");
    }

    @Test
    void of_much_output_the_end_is_kept_and_all_of_it_handed_on() {
        var count = new int[1];
        var output = new StepOutput(text -> count[0] += text.length());
        var line = "0123456789".repeat(100).getBytes(StandardCharsets.UTF_8);

        for (int i = 0; i < 100; i++) {
            output.add(line);
        }

        assertThat(count[0]).isEqualTo(100_000);
        assertThat(output.end()).startsWith("[...]").hasSize(5 + (64 << 10)).endsWith("789");
    }
}
