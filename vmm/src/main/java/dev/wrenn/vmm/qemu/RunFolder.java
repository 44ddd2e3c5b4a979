package dev.wrenn.vmm.qemu;

import dev.wrenn.base.Kind;
import dev.wrenn.vmm.VmmFailed;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/** The files that the driver and QEMU keep in the run folder of one VM. */
record RunFolder(Path folder) {
    /** QEMU's monitor; outlives this process, so a VM can be adopted. */
    Path monitor() {
        return folder.resolve("qmp.sock");
    }

    /** Carries the VM state while it is saved. */
    Path state() {
        return folder.resolve("state.sock");
    }

    /** What QEMU writes to its standard output and error. */
    Path log() {
        return folder.resolve("vmm.log");
    }

    void clear() {
        try {
            for (var file : List.of(monitor(), state(), log())) {
                Files.deleteIfExists(file);
            }
        } catch (IOException e) {
            throw new VmmFailed(Kind.UNAVAILABLE, "cannot clear the run folder of a VM", e);
        }
    }
}
