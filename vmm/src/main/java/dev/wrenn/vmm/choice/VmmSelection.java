package dev.wrenn.vmm.choice;

import dev.wrenn.base.Kind;
import dev.wrenn.base.WrennException;
import dev.wrenn.vmm.Vmm;
import dev.wrenn.vmm.VmmKind;
import dev.wrenn.vmm.qemu.Qemu;
import dev.wrenn.vmm.qemu.QemuConfig;
import dev.wrenn.vmm.qemu.QemuProbe;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * The VMM that this machine gets, and why.
 *
 * @param vmm ready to use; the caller closes it
 * @param reasons sentences for an operator, in the order in which things were looked at
 */
public record VmmSelection(Vmm vmm, List<String> reasons) {
    private static final String QEMU = "qemu-system-x86_64";

    /** Copies the list. */
    public VmmSelection {
        reasons = List.copyOf(reasons);
    }

    /**
     * Looks for QEMU in the search path and finds out, by running a guest of a few instructions,
     * whether it can use KVM, else TCG. Takes 0.3 s, or some seconds where KVM hangs.
     *
     * @param shim the library of guest/shim; the program of guest/tsc lies beside it
     * @throws WrennException if there is no QEMU, or it does not run guests
     */
    public static VmmSelection choose(Path shim) {
        var binary = binary();
        var probe = Qemu.probe(binary);
        var config = new QemuConfig(probe.kind(), binary, shim, shim.resolveSibling("wrenn-tsc"));
        return new VmmSelection(Qemu.open(config), probe.reasons());
    }

    /** Finds out what {@link #choose} would use and why; needs no shim. */
    public static QemuProbe probe() {
        return Qemu.probe(binary());
    }

    private static Path binary() {
        return find(QEMU)
                .orElseThrow(() ->
                        new WrennException(
                                Kind.UNAVAILABLE,
                                QEMU + " is not installed (Debian: qemu-system-x86)"));
    }

    /** What is used, for people: {@code QEMU 7.2.22 (TCG)}. */
    public String name() {
        return switch (vmm.kind()) {
            case QEMU_KVM -> "QEMU " + vmm.version() + " (KVM)";
            case QEMU_TCG -> "QEMU " + vmm.version() + " (TCG)";
        };
    }

    /** What it runs on. */
    public VmmKind kind() {
        return vmm.kind();
    }

    /** Why, in one line. */
    public String reason() {
        return String.join("; ", reasons);
    }

    private static Optional<Path> find(String program) {
        var path = Optional.ofNullable(System.getenv("PATH")).orElse("");
        return Stream.of((path + ":/usr/bin:/usr/local/bin").split(":", -1))
                .filter(folder -> folder.startsWith("/"))
                .map(folder -> Path.of(folder, program))
                .filter(Files::isExecutable)
                .findFirst();
    }
}
