package dev.wrenn.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import dev.wrenn.cli.client.ApiClient;
import dev.wrenn.cli.folder.ApiKeyFile;
import dev.wrenn.cli.folder.DataFolder;
import dev.wrenn.cli.folder.ServerRecord;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/** Says whether a server runs for a data folder, and what it holds. */
@Command(
        name = "status",
        description =
                "Shows whether the server runs, which capsules it holds, and what the machine has"
                        + " left.",
        mixinStandardHelpOptions = true,
        footer = {"", "Exit code: 0 if it serves, 1 if not."})
final class StatusCommand implements Callable<Integer> {
    private static final Duration LIMIT = Duration.ofSeconds(10);

    @Mixin private Options options = new Options();

    private record Status(
            boolean serving,
            String dir,
            long pid,
            String baseUrl,
            String vmm,
            Map<String, Integer> capsules,
            JsonNode machine) {}

    @Override
    public Integer call() {
        var folder = new DataFolder(options.folder(System.getenv()));
        var dir = folder.path().toString();
        var server = ServerRecord.running(folder.serverRecord());
        if (server.isEmpty()) {
            options.print(notServing(dir, 0), List.of("No server runs for " + dir + "."));
            return 1;
        }
        var record = server.get();
        if (!record.isServing()) {
            options.print(
                    notServing(dir, record.pid()),
                    List.of("Process %d is starting for %s.".formatted(record.pid(), dir)));
            return 1;
        }
        var key =
                ApiKeyFile.read(folder.apiKey())
                        .orElseThrow(() -> Main.absent("there is no API key in " + dir));
        try (var api = new ApiClient(record.baseUrl(), key)) {
            var capsules = api.get("/v1/capsules", LIMIT);
            var machine = MachineStatus.of(api);
            var lines = lines(record, dir, capsules);
            lines.addAll(machine.lines());
            options.print(
                    new Status(
                            true,
                            dir,
                            record.pid(),
                            record.baseUrl(),
                            record.vmm(),
                            count(capsules),
                            machine.report()),
                    lines);
        }
        return 0;
    }

    private static Map<String, Integer> count(JsonNode capsules) {
        var counts = new TreeMap<String, Integer>();
        capsules.forEach(capsule -> counts.merge(capsule.path("status").asText(), 1, Integer::sum));
        return counts;
    }

    private static Status notServing(String dir, long pid) {
        var nothing = JsonNodeFactory.instance.objectNode();
        return new Status(false, dir, pid, "", "", Map.of(), nothing);
    }

    private static List<String> lines(ServerRecord server, String dir, JsonNode capsules) {
        var lines = new ArrayList<String>();
        lines.add(
                "Process %d serves %s with %s for %s."
                        .formatted(server.pid(), server.baseUrl(), server.vmm(), dir));
        for (var capsule : capsules) {
            lines.add(
                    "  %-30s %-9s %2d vCPU %6d MB  %s"
                            .formatted(
                                    capsule.path("id").asText(),
                                    capsule.path("status").asText(),
                                    capsule.path("vcpus").asInt(),
                                    capsule.path("memory_mb").asInt(),
                                    capsule.path("template").asText()));
        }
        if (capsules.isEmpty()) {
            lines.add("  no capsules");
        }
        return lines;
    }
}
