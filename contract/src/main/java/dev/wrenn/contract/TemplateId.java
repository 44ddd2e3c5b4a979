package dev.wrenn.contract;

import java.util.UUID;

/**
 * Identifies a template on every host; people address templates by name.
 *
 * @param uuid the value; all zero for the built-in {@code minimal}
 */
public record TemplateId(UUID uuid) {
    /** The built-in template {@code minimal}. */
    public static final TemplateId MINIMAL = new TemplateId(new UUID(0, 0));

    /** A new random id. */
    public static TemplateId random() {
        return new TemplateId(UUID.randomUUID());
    }

    @Override
    public String toString() {
        return uuid.toString();
    }
}
