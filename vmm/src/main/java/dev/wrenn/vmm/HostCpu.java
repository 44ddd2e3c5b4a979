package dev.wrenn.vmm;

import dev.wrenn.base.Kind;
import dev.wrenn.base.WrennException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Which sort of processor this machine has: what a guest on hardware virtualization has seen of it
 * must be there again when it goes on.
 */
public final class HostCpu {
    private static final List<String> FIELDS =
            List.of("vendor_id", "cpu family", "model", "stepping");

    private HostCpu() {}

    /** Its name, for comparison: {@code AuthenticAMD-23-1-2}. */
    public static String name() {
        try {
            return name(Files.readAllLines(Path.of("/proc/cpuinfo")));
        } catch (IOException e) {
            throw new WrennException(Kind.UNAVAILABLE, "cannot read /proc/cpuinfo", e);
        }
    }

    /** Of the first processor; Linux calls the others the same. */
    static String name(List<String> cpuinfo) {
        Map<String, String> found = new LinkedHashMap<>();
        for (var line : cpuinfo) {
            int colon = line.indexOf(':');
            if (colon > 0) {
                found.putIfAbsent(
                        line.substring(0, colon).strip(), line.substring(colon + 1).strip());
            }
        }
        return String.join(
                "-", FIELDS.stream().map(field -> found.getOrDefault(field, "?")).toList());
    }
}
