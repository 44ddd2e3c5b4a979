package dev.wrenn.bench;

import dev.wrenn.base.Deadline;
import dev.wrenn.base.Kind;
import dev.wrenn.base.Pause;
import dev.wrenn.base.Progress;
import dev.wrenn.base.WrennException;
import dev.wrenn.bench.Row.Bound;
import dev.wrenn.contract.CapsuleId;
import java.io.IOException;
import java.net.Socket;
import java.time.Duration;
import java.util.List;
import java.util.Map;

/**
 * How many requests get through: of the API, and through the gateway against straight to the same
 * server in the guest.
 */
record Throughput() implements Measurement {
    private static final int TURNS = 5;
    private static final int WARM_UP_TURNS = 2;
    private static final Duration TURN = Duration.ofSeconds(5);
    private static final int GUEST_CONNECTIONS = 8;
    private static final int API_CONNECTIONS = 16;
    private static final double MIN_RATE_RATIO = 0.8;
    private static final double MAX_P99_RATIO = 1.5;
    private static final double MIN_READS_PER_SECOND = 3000;
    private static final int PORT = 8000;
    private static final Duration START_LIMIT = Duration.ofSeconds(30);
    private static final Duration START_INTERVAL = Duration.ofMillis(100);

    /** Keeps its connections, answers at once, and is little work for the guest. */
    private static final String SERVER =
            """
            import asyncio
            ANSWER = b"HTTP/1.1 200 OK\\r\\nContent-Length: 6\\r\\n\\r\\nhello\\n"
            async def serve(reader, writer):
                try:
                    while True:
                        await reader.readuntil(b"\\r\\n\\r\\n")
                        writer.write(ANSWER)
                        await writer.drain()
                except (asyncio.IncompleteReadError, ConnectionError):
                    pass
                finally:
                    writer.close()
            async def main():
                server = await asyncio.start_server(serve, "0.0.0.0", %d)
                await server.serve_forever()
            asyncio.run(main())
            """
                    .formatted(PORT);

    @Override
    public List<Row> take(Laboratory lab, Progress progress) {
        try (var crew = Crew.create(lab, progress)) {
            var capsule = crew.capsules().getFirst();
            lab.api().background(capsule, "python3", List.of("-c", SERVER));
            var address = lab.host().describe(new CapsuleId(capsule)).hostAddress();
            var direct = "http://%s:%d/".formatted(address, PORT);
            var through = Map.of("Host", "%d-%s.bench".formatted(PORT, capsule));
            awaitServer(address);
            warmUp(lab, capsule, direct, through, progress);
            var series = new Series();
            long failures = 0;
            try (var step = progress.start("Asking through the gateway and straight", TURNS)) {
                for (int turn = 0; turn < TURNS; turn++) {
                    failures += measure(series, "direct", direct, Map.of(), GUEST_CONNECTIONS);
                    failures +=
                            measure(
                                    series,
                                    "gateway",
                                    lab.api().baseUrl() + "/",
                                    through,
                                    GUEST_CONNECTIONS);
                    step.advance(1);
                }
                step.done();
            }
            try (var step = progress.start("Reading from the API", TURNS)) {
                var url = reads(lab, capsule);
                for (int turn = 0; turn < TURNS; turn++) {
                    failures +=
                            measure(series, "reads", url, lab.api().keyHeader(), API_CONNECTIONS);
                    step.advance(1);
                }
                step.done();
            }
            return rows(series, failures);
        }
    }

    private static String reads(Laboratory lab, String capsule) {
        return lab.api().baseUrl() + "/v1/capsules/" + capsule;
    }

    /** A server that has just started still compiles its code; one in use has done so. */
    private static void warmUp(
            Laboratory lab,
            String capsule,
            String direct,
            Map<String, String> through,
            Progress progress) {
        try (var step = progress.start("Warming up", 0)) {
            var uncounted = new Series();
            measure(uncounted, "direct", direct, Map.of(), GUEST_CONNECTIONS);
            for (int turn = 0; turn < WARM_UP_TURNS; turn++) {
                measure(uncounted, "gateway", lab.api().baseUrl(), through, GUEST_CONNECTIONS);
                measure(
                        uncounted,
                        "reads",
                        reads(lab, capsule),
                        lab.api().keyHeader(),
                        API_CONNECTIONS);
            }
            step.done();
        }
    }

    private static void awaitServer(String address) {
        if (!Pause.until(() -> listens(address), START_INTERVAL, Deadline.after(START_LIMIT))) {
            throw new WrennException(
                    Kind.UNAVAILABLE, "the guest's server did not listen within " + START_LIMIT);
        }
    }

    private static boolean listens(String address) {
        try (var _ = new Socket(address, PORT)) {
            return true;
        } catch (IOException _) {
            return false; // not yet
        }
    }

    private static long measure(
            Series series, String name, String url, Map<String, String> headers, int connections) {
        long before = processorNanos();
        var run = Wrk.run(url, headers, connections, TURN);
        double requests = run.perSecond() * TURN.toSeconds();
        series.add(name + "_processor", (processorNanos() - before) / 1e3 / requests);
        series.add(name + "_rate", run.perSecond());
        series.add(name + "_p99", run.p99Millis());
        return run.failures();
    }

    /** What this process, the server, has used. */
    private static long processorNanos() {
        return ProcessHandle.current()
                .info()
                .totalCpuDuration()
                .orElseThrow(() -> BenchFailed.because("the machine does not tell CPU time"))
                .toNanos();
    }

    private static List<Row> rows(Series series, long failures) {
        return List.of(
                Row.ratio(
                        "gateway-rate",
                        "requests per second through the gateway against straight to the guest's"
                                + " server",
                        "≥ 0.8 ×",
                        series.median("gateway_rate") / series.median("direct_rate"),
                        Bound.AT_LEAST,
                        MIN_RATE_RATIO,
                        Row.details(
                                "through the gateway 1/s", series.shown("gateway_rate"),
                                "straight 1/s", series.shown("direct_rate"),
                                "processor µs of the server for each",
                                        series.shown("gateway_processor"),
                                "connections", GUEST_CONNECTIONS)),
                Row.ratio(
                        "gateway-p99",
                        "time of 99 of 100 such requests, gateway against straight",
                        "≤ 1.5 ×",
                        series.median("gateway_p99") / series.median("direct_p99"),
                        Bound.AT_MOST,
                        MAX_P99_RATIO,
                        Row.details(
                                "through the gateway ms", series.shown("gateway_p99"),
                                "straight ms", series.shown("direct_p99"))),
                new Row(
                        "reads",
                        "reads of a capsule per second, %d capsules alive".formatted(Crew.SIZE),
                        "≥ 3,000/s on two cores",
                        "/s",
                        series.median("reads_rate"),
                        Bound.AT_LEAST,
                        MIN_READS_PER_SECOND,
                        Row.details(
                                "1/s", series.shown("reads_rate"),
                                "processor µs of the server for each",
                                        series.shown("reads_processor"),
                                "99 of 100 within ms", series.shown("reads_p99"),
                                "connections", API_CONNECTIONS)),
                new Row(
                        "throughput-failures",
                        "requests of all of these that failed",
                        "none",
                        "",
                        failures,
                        Bound.AT_MOST,
                        0,
                        Row.details("turns", TURNS, "seconds each", TURN.toSeconds())));
    }
}
