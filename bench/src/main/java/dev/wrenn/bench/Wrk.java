package dev.wrenn.bench;

import dev.wrenn.base.Command;
import dev.wrenn.base.Kind;
import dev.wrenn.base.WrennException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;

/**
 * One run of wrk(1), a load generator in C: as many requests as its connections get through.
 *
 * @param perSecond requests answered per second
 * @param p99Millis time within which 99 of 100 were answered
 * @param failures connections that broke or timed out, and answers that were not 2xx or 3xx
 */
record Wrk(double perSecond, double p99Millis, long failures) {
    private static final Pattern RATE = Pattern.compile("(?m)^Requests/sec: +([0-9.]+)$");
    private static final Pattern P99 = Pattern.compile("(?m)^ +99% +([0-9.]+)(us|ms|s)$");
    private static final Pattern REFUSED =
            Pattern.compile("(?m)^ *Non-2xx or 3xx responses: ([0-9]+)$");
    private static final Pattern BROKEN =
            Pattern.compile(
                    "(?m)^ *Socket errors: connect ([0-9]+), read ([0-9]+), write ([0-9]+), timeout ([0-9]+)$");
    private static final Duration SLACK = Duration.ofSeconds(30);

    /** Runs it on one thread. */
    static Wrk run(String url, Map<String, String> headers, int connections, Duration time) {
        var words = new ArrayList<String>(List.of("wrk", "--latency", "-t1"));
        words.addAll(List.of("-c" + connections, "-d" + time.toSeconds() + "s"));
        headers.forEach((name, value) -> words.addAll(List.of("-H", name + ": " + value)));
        words.add(url);
        return parse(Command.of(words).within(time.plus(SLACK)).run().stdout());
    }

    /** Reads what wrk 4 prints. */
    static Wrk parse(String output) {
        var rate = RATE.matcher(output);
        var p99 = P99.matcher(output);
        if (!rate.find() || !p99.find()) {
            throw new WrennException(Kind.UNAVAILABLE, "wrk printed something else: " + output);
        }
        double unitMillis =
                switch (p99.group(2)) {
                    case "us" -> 0.001;
                    case "ms" -> 1;
                    default -> 1000;
                };
        long failures = 0;
        var refused = REFUSED.matcher(output);
        if (refused.find()) {
            failures += Long.parseLong(refused.group(1));
        }
        var broken = BROKEN.matcher(output);
        if (broken.find()) {
            for (int i = 1; i <= broken.groupCount(); i++) {
                failures += Long.parseLong(broken.group(i));
            }
        }
        return new Wrk(
                Double.parseDouble(rate.group(1)),
                Double.parseDouble(p99.group(1)) * unitMillis,
                failures);
    }
}
