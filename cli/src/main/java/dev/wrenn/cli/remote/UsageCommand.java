package dev.wrenn.cli.remote;

import com.fasterxml.jackson.databind.JsonNode;
import dev.wrenn.cli.client.ApiClient;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** What the team used per day. */
@Command(
        name = "usage",
        description = "Shows what all capsules of the team used per day (UTC).",
        mixinStandardHelpOptions = true)
final class UsageCommand implements Callable<Integer> {
    private static final double MINUTES_PER_HOUR = 60;
    private static final double MIB_PER_GIB = 1024;

    @Mixin private RemoteOptions options = new RemoteOptions();

    @Option(
            names = "--from",
            paramLabel = "DATE",
            description = "First day, such as 2026-01-31. Default: 29 days before the last one")
    private @Nullable String from;

    @Option(names = "--to", paramLabel = "DATE", description = "Last day. Default: today")
    private @Nullable String to;

    @Override
    public Integer call() {
        var asked = new ArrayList<String>();
        if (from != null) {
            asked.add("from=" + ApiClient.escaped(from));
        }
        if (to != null) {
            asked.add("to=" + ApiClient.escaped(to));
        }
        try (var api = options.connect()) {
            var usage =
                    api.get(
                            "/v1/capsules/usage"
                                    + (asked.isEmpty() ? "" : "?" + String.join("&", asked)),
                            CapsuleCommand.LIMIT);
            options.print(usage, lines(usage));
        }
        return 0;
    }

    static List<String> lines(JsonNode usage) {
        var table = new Table("DAY", "VCPU HOURS", "GIB HOURS OF MEMORY");
        double cpuMinutes = 0;
        double memoryMinutes = 0;
        for (var day : usage.path("points")) {
            double cpu = day.path("cpu_minutes").asDouble();
            double memory = day.path("ram_mb_minutes").asDouble();
            table.row(day.path("date").asText(), cpuHours(cpu), memoryHours(memory));
            cpuMinutes += cpu;
            memoryMinutes += memory;
        }
        table.row("together", cpuHours(cpuMinutes), memoryHours(memoryMinutes));
        return table.lines();
    }

    private static String cpuHours(double minutes) {
        return String.format(Locale.ROOT, "%.2f", minutes / MINUTES_PER_HOUR);
    }

    private static String memoryHours(double minutesOfMib) {
        return String.format(Locale.ROOT, "%.2f", minutesOfMib / MINUTES_PER_HOUR / MIB_PER_GIB);
    }
}
