package dev.wrenn.cli.remote;

import com.fasterxml.jackson.databind.JsonNode;
import dev.wrenn.cli.client.ApiClient;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.function.DoubleFunction;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** What the team has reserved. */
@Command(
        name = "stats",
        description = "Shows what all capsules of the team have reserved, now and over time.",
        mixinStandardHelpOptions = true)
final class StatsCommand implements Callable<Integer> {
    private static final int BITS_PER_MIB = 20;

    @Mixin private RemoteOptions options = new RemoteOptions();

    @Option(
            names = "--range",
            paramLabel = "RANGE",
            defaultValue = "1h",
            description = "5m, 1h, 6h, 24h or 30d. Default: ${DEFAULT-VALUE}")
    private String range = "1h";

    @Override
    public Integer call() {
        try (var api = options.connect()) {
            var stats =
                    api.get(
                            "/v1/capsules/stats?range=" + ApiClient.escaped(range),
                            CapsuleCommand.LIMIT);
            options.print(stats, lines(stats, Curve.on(System.out.charset())));
        }
        return 0;
    }

    static List<String> lines(JsonNode stats, Curve curve) {
        var table =
                new Table(
                        "",
                        "NOW",
                        "MOST IN 30 DAYS",
                        "OVER THE LAST " + stats.path("range").asText());
        row(
                table,
                curve,
                stats,
                "RUNNING",
                "running_count",
                "running_count",
                "running",
                n -> number(n));
        row(table, curve, stats, "VCPUS", "vcpus_reserved", "vcpus", "vcpus", n -> number(n));
        row(
                table,
                curve,
                stats,
                "MEMORY",
                "memory_mb_reserved",
                "memory_mb",
                "memory_mb",
                n -> Words.size((long) n << BITS_PER_MIB));
        return table.lines();
    }

    private static void row(
            Table table,
            Curve curve,
            JsonNode stats,
            String name,
            String current,
            String peak,
            String series,
            DoubleFunction<String> shown) {
        var values = new ArrayList<Double>();
        stats.path("series").path(series).forEach(v -> values.add(v.asDouble()));
        table.row(
                name,
                shown.apply(stats.path("current").path(current).asDouble()),
                shown.apply(stats.path("peaks").path(peak).asDouble()),
                curve.of(values));
    }

    private static String number(double value) {
        return Long.toString((long) value);
    }
}
