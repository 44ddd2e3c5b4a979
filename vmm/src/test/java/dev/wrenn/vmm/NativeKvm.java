package dev.wrenn.vmm;

import dev.wrenn.vmm.firecracker.Firecracker;
import java.nio.file.Path;

/** Exits with 0 where that Firecracker runs a guest; for scripts/rig.sh. */
final class NativeKvm {
    private NativeKvm() {}

    public static void main(String[] arguments) {
        var problem = Firecracker.problem(Path.of(arguments[0]));
        System.out.println(problem.orElse("a guest runs"));
        System.exit(problem.isEmpty() ? 0 : 1);
    }
}
