package dev.wrenn.snapshot;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;

/** Small files that must be whole: a line of JSON and a line with its SHA-256 in hexadecimal. */
final class CheckedJson {
    private static final ObjectMapper JSON = new ObjectMapper();

    private CheckedJson() {}

    static byte[] encode(Object value) {
        try {
            var json = JSON.writeValueAsString(value);
            return (json + "\n" + sha256(json) + "\n").getBytes(StandardCharsets.UTF_8);
        } catch (JsonProcessingException e) {
            throw new IllegalStateException("a record cannot be written as JSON", e);
        }
    }

    /**
     * The JSON of a file.
     *
     * @param file its name, for the failure
     * @throws SnapshotCorrupt if a byte is not what was written
     */
    static JsonNode decode(String file, String text) {
        int end = text.indexOf('\n');
        if (end < 0 || !text.substring(end + 1).equals(sha256(text.substring(0, end)) + "\n")) {
            throw new SnapshotCorrupt(file, "does not match its checksum");
        }
        try {
            return JSON.readTree(text.substring(0, end));
        } catch (JsonProcessingException e) {
            throw new SnapshotCorrupt(file, "is no JSON", e);
        }
    }

    /**
     * The record a file holds.
     *
     * @throws SnapshotCorrupt if it is none
     */
    static <T> T as(String file, JsonNode tree, Class<T> type) {
        try {
            return JSON.treeToValue(tree, type);
        } catch (JsonProcessingException | IllegalArgumentException e) {
            throw new SnapshotCorrupt(file, "is not what it should be", e);
        }
    }

    private static String sha256(String text) {
        try {
            return HexFormat.of()
                    .formatHex(
                            MessageDigest.getInstance("SHA-256")
                                    .digest(text.getBytes(StandardCharsets.UTF_8)));
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every JDK has SHA-256", e);
        }
    }
}
