package dev.wrenn.gateway;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.DisplayNameGeneration;
import org.junit.jupiter.api.DisplayNameGenerator;
import org.junit.jupiter.api.Test;

@DisplayNameGeneration(DisplayNameGenerator.ReplaceUnderscores.class)
class FarewellTest {
    private static final byte[] PING = {(byte) 0x89, 0};

    @Test
    void it_waits_for_the_write_under_way_and_nothing_follows_it() {
        var farewell = new Farewell();
        assertThat(farewell.begins(ByteBuffer.wrap(PING))).isTrue();
        assertThat(farewell.leave("paused")).isFalse();

        assertThat(farewell.isDueAfterWrite()).isTrue();
        assertThat(farewell.say()).isPresent();
        assertThat(farewell.begins(ByteBuffer.wrap(PING))).isFalse();
    }

    @Test
    void it_is_due_at_once_where_nothing_is_written() {
        var farewell = new Farewell();
        assertThat(farewell.begins(ByteBuffer.wrap(PING))).isTrue();
        assertThat(farewell.isDueAfterWrite()).isFalse();

        assertThat(farewell.leave("paused")).isTrue();
    }

    @Test
    void a_long_reason_is_cut_between_characters() {
        var farewell = new Farewell();
        assertThat(farewell.leave("\ud83d\udc26".repeat(100))).isTrue();

        var frame = farewell.say().orElseThrow();
        assertThat(frame.remaining()).isEqualTo(2 + 2 + 120);
        var reason = StandardCharsets.UTF_8.decode(frame.position(4)).toString();
        assertThat(reason).isEqualTo("\ud83d\udc26".repeat(30));
    }
}
