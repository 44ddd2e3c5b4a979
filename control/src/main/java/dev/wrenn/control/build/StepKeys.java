package dev.wrenn.control.build;

import com.fasterxml.jackson.core.JsonProcessingException;
import dev.wrenn.base.Kind;
import dev.wrenn.base.WrennException;
import dev.wrenn.control.http.JsonBody;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;

/**
 * Names of the states that a build comes to, each of everything the state comes from: what the
 * build starts from, its machine, every line so far, and what those lines copy. A RUN that reads
 * files of the archive without COPY is not seen to depend on them.
 */
final class StepKeys {
    /** Changes when a new version of this class or of the steps would come to other states. */
    private static final String EDITION = "1";

    private StepKeys() {}

    /**
     * One for each step.
     *
     * @param base names what the build starts from, with all that it gives
     */
    static List<String> of(Build build, String base) {
        var spec = build.spec();
        var key = digest(EDITION, base, spec.vcpus() + "x" + spec.memoryMb());
        var keys = new ArrayList<String>();
        for (var step : spec.steps()) {
            key = digest(key, step.phase().wire(), step.line(), beyond(step, build));
            keys.add(key);
        }
        return keys;
    }

    /** What a step depends on besides its line. */
    private static String beyond(Step step, Build build) {
        if (step.mayFail()) {
            // The package index: one of another day is not what was asked for.
            return build.createdAt().atOffset(ZoneOffset.UTC).toLocalDate().toString();
        }
        return step.isFrom() || !(step.instruction() instanceof Instruction.Copy copy)
                ? ""
                : contents(copy.sources(), build.contents());
    }

    private static String contents(List<String> sources, String contents) {
        var copied = new StringBuilder();
        try {
            JsonBody.JSON
                    .readTree(contents)
                    .properties()
                    .forEach(file -> {
                        if (sources.stream().anyMatch(s -> holds(s, file.getKey()))) {
                            copied.append(file.getKey())
                                    .append('\0')
                                    .append(file.getValue().asText())
                                    .append('\0');
                        }
                    });
        } catch (JsonProcessingException e) {
            throw new WrennException(Kind.CORRUPT, "stored contents are not JSON", e);
        }
        return copied.toString();
    }

    private static boolean holds(String source, String path) {
        var folder = source.replaceFirst("^(\\./)+", "").replaceFirst("/+\\.?$", "");
        return folder.isEmpty()
                || folder.equals(".")
                || path.equals(folder)
                || path.startsWith(folder + "/");
    }

    private static String digest(String... parts) {
        try {
            var digest = MessageDigest.getInstance("SHA-256");
            for (var part : parts) {
                var bytes = part.getBytes(StandardCharsets.UTF_8);
                digest.update((bytes.length + ":").getBytes(StandardCharsets.UTF_8));
                digest.update(bytes);
            }
            return HexFormat.of().formatHex(digest.digest());
        } catch (NoSuchAlgorithmException e) {
            throw new WrennException(Kind.BUG, "SHA-256 is missing", e);
        }
    }
}
