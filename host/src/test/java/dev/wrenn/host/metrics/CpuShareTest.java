package dev.wrenn.host.metrics;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import org.junit.jupiter.api.Test;

/** Shares of processors out of readings of a clock. */
class CpuShareTest {
    private static final long HALF_SECOND = 500_000_000L;

    @Test
    void the_first_reading_is_only_what_the_next_ones_are_compared_with() {
        assertThat(new CpuShare(1).next(HALF_SECOND, 123)).isEmpty();
    }

    @Test
    void a_share_is_of_all_processors_and_of_the_time_since_the_reading_before() {
        var share = new CpuShare(2);
        share.next(7, 1_000);

        assertThat(share.next(7 + HALF_SECOND, 1_000 + HALF_SECOND).orElseThrow())
                .isCloseTo(50, within(1e-9));
        assertThat(share.next(7 + 3 * HALF_SECOND, 1_000 + 3 * HALF_SECOND).orElseThrow())
                .isCloseTo(50, within(1e-9));
        assertThat(share.next(7 + 4 * HALF_SECOND, 1_000 + 5 * HALF_SECOND).orElseThrow())
                .isCloseTo(100, within(1e-9));
        assertThat(share.next(7 + 5 * HALF_SECOND, 1_000 + 5 * HALF_SECOND).orElseThrow()).isZero();
    }

    @Test
    void no_share_is_above_the_whole_or_below_nothing() {
        var share = new CpuShare(1);
        share.next(0, HALF_SECOND);

        assertThat(share.next(HALF_SECOND, 3 * HALF_SECOND).orElseThrow()).isEqualTo(100);
        assertThat(share.next(2 * HALF_SECOND, HALF_SECOND).orElseThrow()).isZero();
    }

    @Test
    void two_readings_at_one_time_have_no_share() {
        var share = new CpuShare(1);
        share.next(HALF_SECOND, 0);

        assertThat(share.next(HALF_SECOND, 1)).isEmpty();
    }
}
