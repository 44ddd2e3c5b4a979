package dev.wrenn.vmm;

import dev.wrenn.base.ByteSize;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.regex.Pattern;

/**
 * A virtual machine as seen from outside: its shape and the things of the host that it uses.
 *
 * @param name letters, digits, dash, dot; for logs, process lists and control groups
 * @param runFolder an existing folder of its own for sockets and logs of the VMM; at most 90 bytes
 *     long, because unix socket paths are short
 * @param vcpus 1 to 64
 * @param memory a whole number of MiB, at least 64
 * @param disk raw image; the caller makes sure that nobody else writes it, the VMM may come to own
 *     it
 * @param scratch folder for large files of the driver, on a real disk; does not exist yet, is gone
 *     when the VM is closed
 * @param networkNamespace name under {@code /run/netns} in which the tap is
 * @param tap name of the tap
 * @param macAddress of the guest
 * @param pageSocket where the page server listens
 */
public record VmSpec(
        String name,
        Path runFolder,
        int vcpus,
        ByteSize memory,
        Path disk,
        Path scratch,
        String networkNamespace,
        String tap,
        String macAddress,
        Path pageSocket) {
    private static final Pattern NAME = Pattern.compile("[A-Za-z0-9][A-Za-z0-9.-]{0,62}");
    private static final Pattern LINK = Pattern.compile("[A-Za-z0-9][A-Za-z0-9_-]{0,14}");
    private static final Pattern MAC = Pattern.compile("([0-9a-f]{2}:){5}[0-9a-f]{2}");
    private static final int FOLDER_LIMIT_BYTES = 90;

    /** Checks every value, because they end up in a command line with a syntax of its own. */
    public VmSpec {
        require(NAME.matcher(name).matches(), "name");
        require(
                runFolder.toString().getBytes(StandardCharsets.UTF_8).length <= FOLDER_LIMIT_BYTES,
                "run folder length");
        require(vcpus >= 1 && vcpus <= 64, "number of vCPUs");
        require(
                memory.bytes() % ByteSize.mib(1).bytes() == 0 && memory.toMib() >= 64,
                "memory size");
        require(
                disk.isAbsolute()
                        && scratch.isAbsolute()
                        && pageSocket.isAbsolute()
                        && runFolder.isAbsolute(),
                "path");
        require(NAME.matcher(networkNamespace).matches() && LINK.matcher(tap).matches(), "network");
        require(MAC.matcher(macAddress).matches(), "MAC address");
    }

    private static void require(boolean holds, String what) {
        if (!holds) {
            throw new IllegalArgumentException("not usable for a VM: " + what);
        }
    }
}
