package dev.wrenn.vmm.qemu;

import dev.wrenn.base.Command;
import dev.wrenn.base.CommandFailed;
import dev.wrenn.base.Kind;
import dev.wrenn.base.WrennException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;

/**
 * Finds out whether QEMU can run ordinary guests on KVM here.
 *
 * <p>That {@code /dev/kvm} exists proves nothing: some machines have one that serves only guests
 * made for it, or that fails on the first register. So a firmware of a few instructions is run that
 * goes into long mode and says so; see kvm-probe.S beside this class's resources.
 */
final class KvmProbe {
    private static final Duration LIMIT = Duration.ofSeconds(5);
    private static final int FIRMWARE_BYTES = 64 * 1024;
    private static final String SAID = "run.";

    private KvmProbe() {}

    static QemuProbe select(Path binary, Path device) {
        var reasons = new ArrayList<String>();
        if (!Files.exists(device)) {
            reasons.add(device + " does not exist, so there is no hardware virtualization");
        } else if (!Files.isReadable(device) || !Files.isWritable(device)) {
            reasons.add(device + " may not be opened by this user");
        } else {
            var failure = tryGuest(binary, Accelerator.KVM);
            if (failure.isEmpty()) {
                reasons.add("KVM runs a guest in long mode");
                return new QemuProbe(Accelerator.KVM, reasons);
            }
            reasons.add(device + " exists but does not run an ordinary guest: " + failure);
        }
        var failure = tryGuest(binary, Accelerator.TCG);
        if (!failure.isEmpty()) {
            throw new WrennException(
                    Kind.UNAVAILABLE, binary.getFileName() + " does not run a guest: " + failure);
        }
        reasons.add(
                "QEMU's translator (TCG) runs a guest in long mode; it is several times slower");
        return new QemuProbe(Accelerator.TCG, reasons);
    }

    /** Empty if the guest ran, else what happened instead. */
    static String tryGuest(Path binary, Accelerator accelerator) {
        try {
            var firmware = Files.createTempFile("wrenn-probe", ".bin");
            try {
                Files.write(firmware, firmware());
                var output =
                        Command.of(arguments(binary, accelerator, firmware)).within(LIMIT).tryRun();
                if (output.isSuccess() && output.stdout().strip().equals(SAID)) {
                    return "";
                }
                return "exit code %d, %s".formatted(output.exitCode(), firstLine(output.stderr()));
            } finally {
                Files.delete(firmware);
            }
        } catch (CommandFailed e) {
            return e.shownMessage();
        } catch (IOException e) {
            throw new WrennException(Kind.UNAVAILABLE, "cannot write a probe for QEMU", e);
        }
    }

    private static List<String> arguments(Path binary, Accelerator accelerator, Path firmware) {
        var arguments = new ArrayList<>(List.of(binary.toString()));
        arguments.addAll(QemuCommandLine.accelerator(accelerator));
        arguments.addAll(
                List.of("-machine", "microvm", "-m", "16M", "-nodefaults", "-no-user-config"));
        arguments.addAll(List.of("-display", "none", "-no-reboot", "-monitor", "none"));
        arguments.addAll(List.of("-bios", firmware.toString()));
        arguments.addAll(List.of("-chardev", "stdio,id=said"));
        arguments.addAll(List.of("-device", "isa-debugcon,iobase=0x402,chardev=said"));
        return arguments;
    }

    /** The x86 reset vector is 16 bytes below the end of the firmware. */
    private static byte[] firmware() throws IOException {
        try (var resource = KvmProbe.class.getResourceAsStream("kvm-probe.bin")) {
            if (resource == null) {
                throw new WrennException(Kind.BUG, "kvm-probe.bin is not in the jar");
            }
            var code = resource.readAllBytes();
            var image = new byte[FIRMWARE_BYTES];
            System.arraycopy(code, 0, image, image.length - code.length, code.length);
            return image;
        }
    }

    private static String firstLine(String text) {
        return text.lines().findFirst().orElse("no message");
    }
}
