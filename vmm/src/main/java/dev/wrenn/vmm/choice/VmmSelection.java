package dev.wrenn.vmm.choice;

import dev.wrenn.base.Kind;
import dev.wrenn.base.WrennException;
import dev.wrenn.vmm.DeviceLimits;
import dev.wrenn.vmm.Vmm;
import dev.wrenn.vmm.VmmKind;
import dev.wrenn.vmm.firecracker.Firecracker;
import dev.wrenn.vmm.firecracker.FirecrackerConfig;
import dev.wrenn.vmm.qemu.Qemu;
import dev.wrenn.vmm.qemu.QemuConfig;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
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
     * What the drivers need to know.
     *
     * @param firecracker where to look for it
     * @param limits what one VM may transfer; QEMU limits disks only
     * @param shim the library of guest/shim; the program of guest/tsc lies beside it
     */
    public record Options(FirecrackerSearch firecracker, DeviceLimits limits, Path shim) {}

    /**
     * Firecracker if there is one that runs a guest here, else QEMU with KVM if that does, else
     * QEMU with its translator; each is tried with a guest of a few instructions. Takes 0.3 s, or
     * some seconds where KVM hangs.
     *
     * @throws WrennException if nothing runs guests
     */
    public static VmmSelection choose(Options options) {
        var reasons = new ArrayList<String>();
        var firecracker = usable(options.firecracker(), reasons);
        if (firecracker.isPresent()) {
            var found = firecracker.get();
            var config =
                    new FirecrackerConfig(found.binary(), found.jailer(), false, options.limits());
            return new VmmSelection(Firecracker.open(config), reasons);
        }
        var binary = qemu();
        var probe = Qemu.probe(binary);
        reasons.addAll(probe.reasons());
        var shim = options.shim();
        var config =
                new QemuConfig(
                        probe.accelerator(),
                        binary,
                        shim,
                        shim.resolveSibling("wrenn-tsc"),
                        options.limits());
        return new VmmSelection(Qemu.open(config), reasons);
    }

    /** Finds out what {@link #choose} would use and why. */
    public static VmmProbe probe(FirecrackerSearch search) {
        var reasons = new ArrayList<String>();
        if (usable(search, reasons).isPresent()) {
            return new VmmProbe(VmmKind.FIRECRACKER, reasons);
        }
        var probe = Qemu.probe(qemu());
        reasons.addAll(probe.reasons());
        return new VmmProbe(probe.accelerator().kind(), reasons);
    }

    private static Optional<FirecrackerSearch.Found> usable(
            FirecrackerSearch search, List<String> reasons) {
        var found = search.find(reasons);
        if (found.isEmpty()) {
            return found;
        }
        var binary = found.get().binary();
        var problem = Firecracker.problem(binary);
        reasons.add(
                problem.map(p -> binary + " does not run a guest: " + p)
                        .orElse(binary + " runs a guest on KVM"));
        return problem.isPresent() ? Optional.empty() : found;
    }

    private static Path qemu() {
        return find(QEMU)
                .orElseThrow(() ->
                        new WrennException(
                                Kind.UNAVAILABLE,
                                QEMU + " is not installed (Debian: qemu-system-x86)"));
    }

    /** What is used, for people: {@code QEMU 7.2.22 (TCG)}. */
    public String name() {
        return switch (vmm.kind()) {
            case FIRECRACKER -> "Firecracker " + vmm.version();
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
