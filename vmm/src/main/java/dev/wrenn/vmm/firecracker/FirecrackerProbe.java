package dev.wrenn.vmm.firecracker;

import dev.wrenn.base.Command;
import dev.wrenn.base.CommandFailed;
import dev.wrenn.base.Kind;
import dev.wrenn.base.WrennException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;

/**
 * Finds out whether Firecracker can run guests on this machine, by running one: a kernel that
 * counts down and resets its machine, which makes Firecracker end with success.
 *
 * <p>That {@code /dev/kvm} exists proves nothing: some machines have one that fails on the first
 * register, or serves only guests made for it. The latter run other guests too, by emulating
 * instruction after instruction (3 microseconds each, measured); so there is a number to count down
 * that takes a processor some milliseconds, an emulated one less than a second, and those a minute.
 */
final class FirecrackerProbe {
    private static final Duration LIMIT = Duration.ofSeconds(5);

    /**
     * {@code mov $0x1000000,%ecx; 1: dec %ecx; jnz 1b} and a pulse on the reset line: {@code mov
     * $0xfe,%al; out %al,$0x64; 2: hlt; jmp 2b}.
     */
    private static final byte[] CODE = {
        (byte) 0xb9,
        0,
        0,
        0,
        1,
        (byte) 0xff,
        (byte) 0xc9,
        0x75,
        (byte) 0xfc,
        (byte) 0xb0,
        (byte) 0xfe,
        (byte) 0xe6,
        0x64,
        (byte) 0xf4,
        (byte) 0xeb,
        (byte) 0xfd
    };

    private static final int ELF_HEADER_BYTES = 64;
    private static final int PROGRAM_HEADER_BYTES = 56;
    private static final long LOADED_AT = 0x100_0000;

    private FirecrackerProbe() {}

    /** Empty if the guest ran, else what happened instead. */
    static String tryGuest(Path binary, Path device) {
        if (!Files.exists(device)) {
            return device + " does not exist, so there is no hardware virtualization";
        }
        if (!Files.isReadable(device) || !Files.isWritable(device)) {
            return device + " may not be opened by this user";
        }
        try {
            var folder = Files.createTempDirectory("wrenn-probe");
            var kernel = folder.resolve("kernel");
            var machine = folder.resolve("machine.json");
            try {
                Files.write(kernel, kernel());
                Files.writeString(machine, machine(kernel));
                return run(binary, machine);
            } finally {
                Files.deleteIfExists(kernel);
                Files.deleteIfExists(machine);
                Files.delete(folder);
            }
        } catch (IOException e) {
            throw new WrennException(Kind.UNAVAILABLE, "cannot write a probe for Firecracker", e);
        }
    }

    private static String run(Path binary, Path machine) {
        try {
            var output =
                    Command.of(binary.toString(), "--no-api", "--config-file", machine.toString())
                            .within(LIMIT)
                            .tryRun();
            if (output.isSuccess()) {
                return "";
            }
            var said = output.stdout() + output.stderr();
            return "exit code %d, %s"
                    .formatted(
                            output.exitCode(),
                            said.lines()
                                    .filter(line -> line.contains("rror"))
                                    .findFirst()
                                    .orElse("no message"));
        } catch (CommandFailed e) {
            return "KVM is there but does not run ordinary guests at the processor's speed; "
                    + e.shownMessage();
        }
    }

    private static String machine(Path kernel) {
        return """
        {"machine-config": {"vcpu_count": 1, "mem_size_mib": 32},
         "boot-source": {"kernel_image_path": "%s"}, "drives": []}
        """
                .formatted(kernel);
    }

    /** The smallest file that is a kernel to Firecracker: one segment (elf(5)). */
    static byte[] kernel() {
        int codeAt = ELF_HEADER_BYTES + PROGRAM_HEADER_BYTES;
        var file = ByteBuffer.allocate(codeAt + CODE.length).order(ByteOrder.LITTLE_ENDIAN);
        file.put("\u007fELF".getBytes(StandardCharsets.US_ASCII));
        file.put(new byte[] {2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0}); // 64 bit, little endian
        file.putShort((short) 2).putShort((short) 62).putInt(1); // program for x86-64
        file.putLong(LOADED_AT).putLong(ELF_HEADER_BYTES).putLong(0); // entry, segments, sections
        file.putInt(0).putShort((short) ELF_HEADER_BYTES);
        file.putShort((short) PROGRAM_HEADER_BYTES).putShort((short) 1);
        file.putShort((short) 0).putShort((short) 0).putShort((short) 0);
        file.putInt(1).putInt(5); // to be loaded, to be read and run
        file.putLong(codeAt).putLong(LOADED_AT).putLong(LOADED_AT);
        file.putLong(CODE.length).putLong(CODE.length).putLong(4096);
        return file.put(CODE).array();
    }
}
