package dev.wrenn.vmm.qemu;

import dev.wrenn.base.Kind;
import dev.wrenn.vmm.ControlGroup;
import dev.wrenn.vmm.JailUser;
import dev.wrenn.vmm.VmSpec;
import dev.wrenn.vmm.VmmFailed;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;

/** The files that the driver and QEMU keep in the run folder of one VM. */
record RunFolder(Path folder, Jail jail, Optional<ControlGroup> group) {
    static RunFolder of(VmSpec spec) {
        return new RunFolder(spec.runFolder(), Jail.of(spec), ControlGroup.of(spec));
    }

    /** QEMU's monitor; outlives this process, so a VM can be adopted. */
    Path monitor() {
        return folder.resolve("qmp.sock");
    }

    /** What QEMU writes to its standard output and error. */
    Path log() {
        return folder.resolve("vmm.log");
    }

    void clear() {
        try {
            Files.deleteIfExists(monitor());
            Files.deleteIfExists(log());
            jail.clear();
            group.ifPresent(ControlGroup::remove);
            JailUser.release(folder);
        } catch (IOException e) {
            throw new VmmFailed(Kind.UNAVAILABLE, "cannot clear the run folder of a VM", e);
        }
    }
}
