package dev.wrenn.host.journal;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.HashMap;
import java.util.Map;

/**
 * What this host knows of a template.
 *
 * @param version of this file's layout
 * @param template its id
 * @param snapshot what capsules start from; empty for a template that is a disk only
 * @param disk of a disk template: name of the root disk; empty for the built-in one
 * @param preparesItself of a disk template: whether programs on the disk make a shape ready that
 *     was booted
 * @param shapes of a disk template: snapshot id by shape, each booted once
 */
public record TemplateRecord(
        int version,
        String template,
        String snapshot,
        String disk,
        boolean preparesItself,
        Map<String, String> shapes) {
    /** Layout written by this code. */
    public static final int VERSION = 1;

    /** Copies the map. */
    public TemplateRecord {
        shapes = Map.copyOf(shapes);
    }

    /** Adds what a record of this layout was written without before there was such a thing. */
    static void complete(ObjectNode stored) {
        if (!stored.has("disk")) {
            stored.put("disk", "");
        }
        if (!stored.has("preparesItself")) {
            stored.put("preparesItself", false);
        }
    }

    /** A template that any shape can be booted from. */
    public static TemplateRecord disk(String template, String disk) {
        return new TemplateRecord(VERSION, template, "", disk, false, Map.of());
    }

    /** The same with a disk that has programs which make a booted shape ready. */
    public TemplateRecord preparingItself() {
        return new TemplateRecord(version, template, snapshot, disk, true, shapes);
    }

    /** A template that holds memory. */
    public static TemplateRecord snapshot(String template, String snapshot) {
        return new TemplateRecord(VERSION, template, snapshot, "", false, Map.of());
    }

    /** Whether it holds memory. */
    public boolean holdsMemory() {
        return !snapshot.isEmpty();
    }

    /**
     * With one more booted shape; shapes that were booted from other files are let go.
     *
     * @param shape what is behind its {@code @} names those files
     */
    public TemplateRecord with(String shape, String snapshotOfShape) {
        var more = new HashMap<>(shapes);
        var files = shape.substring(shape.indexOf('@') + 1);
        more.keySet().removeIf(old -> !old.endsWith("@" + files));
        more.put(shape, snapshotOfShape);
        return new TemplateRecord(version, template, snapshot, disk, preparesItself, more);
    }

    /** Every snapshot it needs. */
    public java.util.List<String> snapshots() {
        return holdsMemory() ? java.util.List.of(snapshot) : java.util.List.copyOf(shapes.values());
    }
}
