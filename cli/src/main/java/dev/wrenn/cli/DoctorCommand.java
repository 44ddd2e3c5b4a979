package dev.wrenn.cli;

import dev.wrenn.base.WrennException;
import dev.wrenn.cli.Finding.Verdict;
import dev.wrenn.cli.client.ApiClient;
import dev.wrenn.cli.folder.ApiKeyFile;
import dev.wrenn.cli.folder.DataFolder;
import dev.wrenn.cli.folder.ServerRecord;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Checks what Wrenn needs by trying it. */
@Command(
        name = "doctor",
        description = "Checks this machine and says which VMM will be used and why.",
        mixinStandardHelpOptions = true,
        footer = {"", "Exit code: 0 if Wrenn can work here, 1 if not."})
final class DoctorCommand implements Callable<Integer> {
    @Mixin private Options options = new Options();

    @Option(
            names = "--listen",
            paramLabel = "HOST:PORT",
            description = "Where the server would listen; also WRENN_LISTEN")
    private @Nullable String listen;

    private record Report(boolean ok, List<Finding> findings) {}

    @Override
    public Integer call() {
        var folder = new DataFolder(options.folder(System.getenv()));
        var flags = listen == null ? Map.<String, String>of() : Map.of("server.listen", listen);
        var config = options.config(folder, System.getenv(), flags);
        var findings = new ArrayList<Finding>();
        findings.add(MachineChecks.root());
        findings.add(MachineChecks.qemu());
        findings.add(MachineChecks.firecracker(folder.path()));
        findings.add(MachineChecks.vmm(folder.path()));
        findings.add(MachineChecks.userfaultfd());
        findings.addAll(MachineChecks.network());
        findings.add(MachineChecks.disk(folder.path()));
        findings.add(MachineChecks.reflink(folder.path()));
        findings.add(
                MachineChecks.port(config.listen(), ServerRecord.running(folder.serverRecord())));
        findings.addAll(running(folder));
        boolean ok = findings.stream().noneMatch(f -> f.verdict() == Verdict.FAILED);
        var lines = new ArrayList<>(findings.stream().map(Finding::line).toList());
        lines.add(ok ? "Wrenn can work here." : "Wrenn cannot work here yet; see FAIL above.");
        options.print(new Report(ok, findings), lines);
        return ok ? 0 : 1;
    }

    /** What a server that runs on the folder knows that cannot be seen from here. */
    private static List<Finding> running(DataFolder folder) {
        var server = ServerRecord.running(folder.serverRecord()).filter(ServerRecord::isServing);
        var key = ApiKeyFile.read(folder.apiKey());
        if (server.isEmpty() || key.isEmpty()) {
            return List.of();
        }
        try (var api = new ApiClient(server.get().baseUrl(), key.get())) {
            var warnings = MachineStatus.of(api).warnings();
            return warnings.isEmpty()
                    ? List.of(Finding.ok("room", "the server has room on disk and in memory"))
                    : warnings.stream()
                            .map(w -> Finding.note("room", w, "`wrenn status` shows the numbers"))
                            .toList();
        } catch (WrennException e) {
            return List.of(
                    Finding.note(
                            "room",
                            "the server does not tell: " + e.shownMessage(),
                            "`wrenn logs` may say why"));
        }
    }
}
