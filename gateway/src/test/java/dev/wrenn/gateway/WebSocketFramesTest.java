package dev.wrenn.gateway;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.util.HashSet;
import java.util.Random;
import org.junit.jupiter.api.DisplayNameGeneration;
import org.junit.jupiter.api.DisplayNameGenerator;
import org.junit.jupiter.api.RepeatedTest;
import org.junit.jupiter.api.RepetitionInfo;
import org.junit.jupiter.api.Test;

@DisplayNameGeneration(DisplayNameGenerator.ReplaceUnderscores.class)
class WebSocketFramesTest {
    private static void frame(ByteArrayOutputStream to, Random random, int length) {
        boolean isMasked = random.nextBoolean();
        int mask = isMasked ? 0x80 : 0;
        to.write(random.nextBoolean() ? 0x82 : 0x02);
        if (length < 126 && random.nextInt(4) > 0) {
            to.write(mask | length);
        } else if (length < 65_536 && random.nextInt(4) > 0) {
            to.write(mask | 126);
            to.writeBytes(ByteBuffer.allocate(2).putShort((short) length).array());
        } else {
            to.write(mask | 127);
            to.writeBytes(ByteBuffer.allocate(8).putLong(length).array());
        }
        var payload = new byte[length + (isMasked ? 4 : 0)];
        random.nextBytes(payload);
        to.writeBytes(payload);
    }

    @RepeatedTest(40)
    void the_end_of_each_frame_is_known_however_the_bytes_are_cut(RepetitionInfo seed) {
        var random = new Random(seed.getCurrentRepetition());
        var stream = new ByteArrayOutputStream();
        var ends = new HashSet<Integer>();
        ends.add(0);
        int[] lengths = {0, 1, 125, 126, 127, 300, 65_535, 65_536, 70_000};
        for (int i = 0; i < 12; i++) {
            frame(stream, random, lengths[random.nextInt(lengths.length)]);
            ends.add(stream.size());
        }
        var bytes = stream.toByteArray();
        var frames = new WebSocketFrames();

        for (int at = 0; at < bytes.length; ) {
            assertThat(frames.isOpenAtBoundary()).as("at %d", at).isEqualTo(ends.contains(at));
            int step = Math.min(bytes.length - at, random.nextInt(4) == 0 ? 20_000 : 1);
            var piece = ByteBuffer.wrap(bytes, at, step);
            frames.pass(piece);
            assertThat(piece.remaining()).isEqualTo(step);
            at += step;
        }
        assertThat(frames.isOpenAtBoundary()).isTrue();
    }

    @Test
    void nothing_may_follow_a_close() {
        var frames = new WebSocketFrames();
        frames.pass(ByteBuffer.wrap(new byte[] {(byte) 0x88, 0}));

        assertThat(frames.isOpenAtBoundary()).isFalse();
    }
}
