package dev.wrenn.testkit;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.time.Duration;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;

class EventuallyTest {
    private static final Duration SHORT = Duration.ofMillis(30);

    @Test
    void it_returns_as_soon_as_the_condition_holds() {
        var looks = new AtomicInteger();

        Eventually.within(Duration.ofSeconds(10), () -> looks.incrementAndGet() == 3);

        assertThat(looks).hasValue(3);
    }

    @Test
    void a_condition_that_never_holds_fails_in_its_own_words() {
        assertThatThrownBy(() -> Eventually.within(SHORT, "the door is open", () -> false))
                .isInstanceOf(AssertionError.class)
                .hasMessage("the door is open did not hold within 30 ms");
    }

    @Test
    void the_last_failure_of_an_assertion_is_the_one_shown() {
        assertThatThrownBy(() -> Eventually.holds(SHORT, () -> assertThat(1).isEqualTo(2)))
                .isInstanceOf(AssertionError.class)
                .hasMessageContaining("expected: 2");
        assertThatThrownBy(() ->
                        Eventually.holds(
                                SHORT,
                                () -> {
                                    throw new java.io.IOException("not yet");
                                }))
                .isInstanceOf(AssertionError.class)
                .hasRootCauseMessage("not yet");
    }

    @Test
    void what_is_waited_for_is_returned() {
        var looks = new AtomicInteger();

        var found =
                Eventually.get(
                        Duration.ofSeconds(10),
                        "a value",
                        () -> looks.incrementAndGet() < 3 ? null : "here");

        assertThat(found).isEqualTo("here");
    }
}
