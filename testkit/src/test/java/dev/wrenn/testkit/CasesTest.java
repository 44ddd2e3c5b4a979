package dev.wrenn.testkit;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.List;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;

class CasesTest {
    @Test
    void sizes_grow_from_the_smallest_to_the_largest() {
        var sizes = new ArrayList<Integer>();

        Cases.check(100, source -> sizes.add(source.size()));

        assertThat(sizes).isSorted().hasSize(100).startsWith(1).endsWith(256);
    }

    @Test
    void a_failure_names_the_seed_that_repeats_it() {
        var drawn = new ArrayList<List<Integer>>();
        var failure =
                org.assertj.core.api.Assertions.catchThrowable(() ->
                        Cases.check(
                                50,
                                source -> {
                                    drawn.add(source.list(s -> s.between(0, 1000)));
                                    assertThat(drawn.getLast()).hasSizeLessThan(20);
                                }));
        var seed = Pattern.compile("wrenn.seed=(-?\\d+)").matcher(failure.getMessage());
        assertThat(seed.find()).isTrue();

        var again = new Cases.Case(Long.parseLong(seed.group(1))).list(s -> s.between(0, 1000));

        assertThat(again).isEqualTo(drawn.getLast());
    }

    @Test
    void numbers_stay_within_their_bounds_and_reach_them() {
        var seen = new ArrayList<Long>();

        Cases.check(
                500,
                source -> {
                    assertThat(source.between(-3, 3)).isBetween(-3, 3);
                    assertThat(source.between(Integer.MAX_VALUE - 1, Integer.MAX_VALUE))
                            .isGreaterThan(0);
                    seen.add(source.between(7L, Long.MAX_VALUE));
                });

        assertThat(seen).contains(7L, Long.MAX_VALUE).allMatch(n -> n >= 7);
        assertThatThrownBy(() -> Cases.check(1, source -> source.between(2L, 1L)))
                .isInstanceOf(AssertionError.class);
    }
}
