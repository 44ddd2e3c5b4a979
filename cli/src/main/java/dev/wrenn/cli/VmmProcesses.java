package dev.wrenn.cli;

import dev.wrenn.linux.ProcessIdentity;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/** The VMM processes of this machine, found from outside and not asked of the server. */
final class VmmProcesses {
    private VmmProcesses() {}

    /** The VMM that runs a capsule: the one whose command line names the capsule's files. */
    static Optional<ProcessIdentity> of(String capsule) {
        return ProcessHandle.allProcesses()
                .filter(process -> isVmmOf(process, capsule))
                .findFirst()
                .flatMap(process -> ProcessIdentity.of(process.pid()));
    }

    private static boolean isVmmOf(ProcessHandle process, String capsule) {
        var program = process.info().command().orElse("");
        return List.of("qemu-system", "firecracker").stream().anyMatch(program::contains)
                && commandLine(process).contains(capsule);
    }

    private static String commandLine(ProcessHandle process) {
        var file = Path.of("/proc/" + process.pid() + "/cmdline");
        try {
            return Files.readString(file, StandardCharsets.ISO_8859_1);
        } catch (IOException _) {
            return ""; // it ended while we looked
        }
    }
}
