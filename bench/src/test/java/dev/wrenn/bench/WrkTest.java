package dev.wrenn.bench;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.wrenn.base.WrennException;
import org.junit.jupiter.api.Test;

class WrkTest {
    private static final String CLEAN =
            """
            Running 2s test @ http://127.0.0.1:8080/
              1 threads and 8 connections
              Thread Stats   Avg      Stdev     Max   +/- Stdev
                Latency     4.11ms    1.01ms  12.30ms   80.21%
                Req/Sec     1.95k   120.11     2.21k    70.00%
              Latency Distribution
                 50%    3.90ms
                 75%    4.55ms
                 90%    5.30ms
                 99%    7.85ms
              3890 requests in 2.00s, 251.21KB read
            Requests/sec:   1943.51
            Transfer/sec:    125.51KB
            """;

    @Test
    void rate_and_slowest_percent_are_read() {
        assertThat(Wrk.parse(CLEAN)).isEqualTo(new Wrk(1943.51, 7.85, 0));
    }

    @Test
    void units_of_time_are_told_apart() {
        assertThat(Wrk.parse(CLEAN.replace("7.85ms", "850.00us")).p99Millis()).isEqualTo(0.85);
        assertThat(Wrk.parse(CLEAN.replace("7.85ms", "1.20s")).p99Millis()).isEqualTo(1200);
    }

    @Test
    void refused_and_broken_requests_are_failures() {
        var failed =
                CLEAN.replace(
                        "Requests/sec",
                        """
                          Socket errors: connect 1, read 2, write 0, timeout 4
                          Non-2xx or 3xx responses: 10
                        Requests/sec\
                        """);

        assertThat(Wrk.parse(failed).failures()).isEqualTo(17);
    }

    @Test
    void an_output_without_numbers_is_no_measurement() {
        assertThatThrownBy(() -> Wrk.parse("unable to connect to 127.0.0.1:1"))
                .isInstanceOf(WrennException.class)
                .hasMessageContaining("unable to connect");
    }
}
