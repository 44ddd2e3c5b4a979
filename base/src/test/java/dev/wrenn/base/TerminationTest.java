package dev.wrenn.base;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

class TerminationTest {
    /** Programs of their own, since a signal ends the whole process. */
    static final class Program {
        public static void main(String[] arguments) {
            var limit = Duration.ofMillis(Long.parseLong(arguments[1]));
            System.exit(Termination.run(limit, () -> body(arguments[0])));
        }

        private static int body(String kind) {
            System.out.println("started");
            if (kind.equals("returns")) {
                return 3;
            }
            try {
                new CountDownLatch(1).await();
            } catch (InterruptedException _) {
                System.out.println("cleaned up");
            }
            if (kind.equals("hangs")) {
                Pause.until(
                        () -> false, Duration.ofMillis(10), Deadline.after(Duration.ofMinutes(5)));
            }
            return 0;
        }
    }

    private record Ended(int exitCode, String output) {}

    private static Ended run(String kind, Duration limit, boolean signalled)
            throws IOException, InterruptedException {
        var process =
                new ProcessBuilder(
                                Path.of(System.getProperty("java.home"), "bin/java").toString(),
                                "-cp",
                                System.getProperty("java.class.path"),
                                Program.class.getName(),
                                kind,
                                Long.toString(limit.toMillis()))
                        .redirectErrorStream(true)
                        .start();
        try (var output =
                new BufferedReader(
                        new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8))) {
            assertThat(output.readLine()).isEqualTo("started");
            if (signalled) {
                process.toHandle().destroy(); // SIGTERM; leaves the streams open
            }
            assertThat(process.waitFor(30, TimeUnit.SECONDS)).isTrue();
            return new Ended(process.exitValue(), String.join(",", output.lines().toList()));
        } finally {
            process.destroyForcibly();
        }
    }

    @Test
    void a_signal_lets_the_body_end_in_its_own_order_and_choose_the_exit_code()
            throws IOException, InterruptedException {
        assertThat(run("waits", Duration.ofSeconds(20), true))
                .isEqualTo(new Ended(0, "cleaned up"));
    }

    @Test
    void a_body_that_does_not_end_within_the_limit_is_ended()
            throws IOException, InterruptedException {
        assertThat(run("hangs", Duration.ofMillis(300), true))
                .isEqualTo(new Ended(1, "cleaned up"));
    }

    @Test
    void without_a_signal_the_body_s_exit_code_is_the_program_s()
            throws IOException, InterruptedException {
        assertThat(run("returns", Duration.ofSeconds(20), false)).isEqualTo(new Ended(3, ""));
    }
}
