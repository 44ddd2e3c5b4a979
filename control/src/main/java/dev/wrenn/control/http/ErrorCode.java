package dev.wrenn.control.http;

import java.util.Locale;

/** Machine codes of the error envelope with their HTTP status. */
public enum ErrorCode {
    /** The request can never succeed as it is. */
    INVALID_REQUEST(400),
    /** No credential, or a wrong one. */
    UNAUTHORIZED(401),
    /** Known caller, no right. */
    FORBIDDEN(403),
    /** It does not exist, or not for this team. */
    NOT_FOUND(404),
    /** The path exists, the method does not. */
    METHOD_NOT_ALLOWED(405),
    /** The capsule's state forbids it. */
    INVALID_STATE(409),
    /** It exists already. */
    CONFLICT(409),
    /** The team has a template of that name. */
    TEMPLATE_NAME_TAKEN(409),
    /** The platform has a template of that name. */
    NAME_RESERVED(409),
    /** A configured limit of the team is reached. */
    QUOTA_EXCEEDED(409),
    /** The body is longer than allowed. */
    TOO_LARGE(413),
    /** Our own mistake. */
    INTERNAL_ERROR(500),
    /** The database does not answer. */
    DB_ERROR(503),
    /** Stored bytes are damaged. */
    SNAPSHOT_CORRUPT(500),
    /** The host or the guest failed. */
    AGENT_ERROR(502),
    /** The machine is full. */
    NO_HOSTS_AVAILABLE(503),
    /** The template is being made. */
    TEMPLATE_NOT_READY(503),
    /** The capsule's own disk is full. */
    DISK_FULL(507);

    private final int status;

    ErrorCode(int status) {
        this.status = status;
    }

    /** HTTP status. */
    public int status() {
        return status;
    }

    /** As it is written. */
    public String wire() {
        return name().toLowerCase(Locale.ROOT);
    }
}
