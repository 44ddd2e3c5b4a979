package dev.wrenn.control.file;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.wrenn.base.Kind;
import dev.wrenn.base.WrennException;
import dev.wrenn.contract.guest.FileContent;
import dev.wrenn.contract.guest.FileEntry;
import dev.wrenn.contract.guest.GuestSession;
import dev.wrenn.control.auth.Requests;
import dev.wrenn.control.capsule.Capsules;
import dev.wrenn.control.http.ApiException;
import dev.wrenn.control.http.ErrorCode;
import dev.wrenn.control.http.JsonBody;
import dev.wrenn.control.http.Routes;
import io.javalin.http.Context;
import java.io.IOException;
import java.util.Optional;
import java.util.function.BiConsumer;

/**
 * Files of a capsule. Content is streamed through: no file is ever held in memory, and a file is
 * opened in the guest before the first byte of an answer, so that errors still have a status.
 */
public final class FileRoutes {
    private static final int NO_CONTENT = 204;
    private static final long BUFFERED_LIMIT_BYTES = 100L << 20;
    private static final int CHUNK_BYTES = 64 << 10;
    private static final int MAX_DEPTH = 64;

    private final Capsules capsules;
    private final Requests requests;

    /** Over those rules. */
    public FileRoutes(Capsules capsules, Requests requests) {
        this.capsules = capsules;
        this.requests = requests;
    }

    /** Adds them. */
    public void addTo(Routes routes) {
        var base = "/v1/capsules/{id}/files";
        routes.post(base + "/write", ctx -> write(ctx, BUFFERED_LIMIT_BYTES));
        routes.post(base + "/stream/write", ctx -> write(ctx, Long.MAX_VALUE));
        routes.post(base + "/read", this::read);
        routes.post(base + "/stream/read", this::read);
        routes.post(base + "/list", ctx -> withPath(ctx, this::list));
        routes.post(base + "/stat", ctx -> withPath(ctx, FileRoutes::stat));
        routes.post(base + "/mkdir", ctx -> withPath(ctx, FileRoutes::makeDirectory));
        routes.post(base + "/chmod", ctx -> withPath(ctx, FileRoutes::changeMode));
        routes.post(base + "/remove", ctx -> withPath(ctx, FileRoutes::remove));
        routes.post(base + "/move", this::move);
    }

    /** What a route needs once its capsule and its path are known. */
    private record Call(Context ctx, GuestSession guest, JsonBody body) {}

    private void withPath(Context ctx, BiConsumer<Call, String> action) {
        var row = capsules.get(requests.caller(ctx).team(), ctx.pathParam("id"));
        try (var guest = capsules.session(row, "use the files of")) {
            var body = requests.body(ctx);
            action.accept(new Call(ctx, guest, body), body.requiredText("path"));
        }
    }

    private void write(Context ctx, long limitBytes) {
        var row = capsules.get(requests.caller(ctx).team(), ctx.pathParam("id"));
        try (var guest = capsules.session(row, "write files of")) {
            if (ctx.req().getContentLengthLong() - CHUNK_BYTES > limitBytes) {
                requests.passOverBody(ctx);
                throw tooLarge();
            }
            try (var form = open(ctx, limitBytes)) {
                store(guest, form);
            } catch (IOException e) {
                throw new WrennException(Kind.UNAVAILABLE, "the upload cannot be read", e);
            }
            ctx.status(NO_CONTENT);
        }
    }

    private UploadForm open(Context ctx, long limitBytes) throws IOException {
        var type = Optional.ofNullable(ctx.contentType());
        try {
            return UploadForm.open(type, ctx.req().getInputStream(), limitBytes);
        } catch (ApiException e) {
            requests.passOverBody(ctx);
            throw e;
        }
    }

    private static void store(GuestSession guest, UploadForm form) throws IOException {
        try (var content = form.content()) {
            guest.write(form.path(), form.offset(), content);
        } catch (WrennException e) {
            if (form.isBroken() && !form.isContinuable()) {
                removeHalf(guest, form.path(), e);
            }
            throw reason(form, e);
        }
    }

    /** Half a file that nobody will continue is none. */
    private static void removeHalf(GuestSession guest, String path, WrennException failure) {
        try {
            if (guest.stat(path).type() == FileEntry.Type.FILE) {
                guest.remove(path);
            }
        } catch (WrennException e) {
            failure.addSuppressed(e);
        }
    }

    private static WrennException reason(UploadForm form, WrennException failure) {
        if (form.isTooLong()) {
            return tooLarge();
        }
        if (failure.kind() == Kind.EXHAUSTED) {
            return new ApiException(ErrorCode.DISK_FULL, failure.shownMessage());
        }
        if (form.isBroken()) {
            return form.refusal()
                    .orElseGet(() -> ApiException.invalid("the form broke off before its end"));
        }
        return failure;
    }

    private static ApiException tooLarge() {
        return new ApiException(
                ErrorCode.TOO_LARGE,
                "files/write takes at most 100 MiB; use files/stream/write for more");
    }

    private void read(Context ctx) {
        withPath(
                ctx,
                (call, path) -> {
                    long offset = call.body().number("offset").orElse(0);
                    long length = call.body().number("length").orElse(Long.MAX_VALUE);
                    if (offset < 0 || length < 0) {
                        throw ApiException.invalid("offset and length must be 0 or more");
                    }
                    try (var content = call.guest().read(path, offset)) {
                        send(ctx, content, length);
                    } catch (IOException e) {
                        throw new WrennException(
                                Kind.UNAVAILABLE, "the file could not be read to its end", e);
                    }
                });
    }

    private static void send(Context ctx, FileContent content, long most) throws IOException {
        ctx.contentType("application/octet-stream");
        content.lengthBytes().ifPresent(n -> ctx.res().setContentLengthLong(Math.min(n, most)));
        // The plain stream: what is stored is sent as it is.
        var out = ctx.res().getOutputStream();
        var buffer = new byte[CHUNK_BYTES];
        long left = most;
        while (left > 0) {
            int n = content.bytes().read(buffer, 0, (int) Math.min(left, buffer.length));
            if (n < 0) {
                return;
            }
            out.write(buffer, 0, n);
            out.flush();
            left -= n;
        }
    }

    private void list(Call call, String path) {
        long depth = call.body().number("depth").orElse(1);
        var json = JsonBody.JSON.createObjectNode();
        var entries = json.putArray("entries");
        call.guest()
                .list(path, Math.clamp(depth, 1, MAX_DEPTH))
                .forEach(e -> entries.add(entry(e)));
        answer(call.ctx(), json);
    }

    private static void stat(Call call, String path) {
        answer(call.ctx(), wrapped(call.guest().stat(path)));
    }

    private static void makeDirectory(Call call, String path) {
        answer(call.ctx(), wrapped(call.guest().makeDirectory(path)));
    }

    private static void changeMode(Call call, String path) {
        answer(call.ctx(), wrapped(call.guest().changeMode(path, call.body().mode("mode"))));
    }

    private static void remove(Call call, String path) {
        call.guest().remove(path);
        call.ctx().status(NO_CONTENT);
    }

    private void move(Context ctx) {
        var row = capsules.get(requests.caller(ctx).team(), ctx.pathParam("id"));
        try (var guest = capsules.session(row, "move files of")) {
            var body = requests.body(ctx);
            var from = body.requiredText("source");
            answer(ctx, wrapped(guest.move(from, body.requiredText("destination"))));
        }
    }

    private static ObjectNode wrapped(FileEntry entry) {
        var json = JsonBody.JSON.createObjectNode();
        json.set("entry", entry(entry));
        return json;
    }

    private static ObjectNode entry(FileEntry entry) {
        var json = JsonBody.JSON.createObjectNode();
        json.put("name", entry.name());
        json.put("path", entry.path());
        json.put(
                "type",
                switch (entry.type()) {
                    case FILE -> "file";
                    case DIRECTORY -> "directory";
                    case SYMLINK -> "symlink";
                });
        json.put("size", entry.sizeBytes());
        json.put("mode", entry.mode());
        json.put("permissions", entry.permissions());
        json.put("owner", entry.owner());
        json.put("group", entry.group());
        json.put("modified_at", entry.modifiedAt().getEpochSecond());
        entry.symlinkTarget().ifPresent(t -> json.put("symlink_target", t));
        return json;
    }

    private static void answer(Context ctx, ObjectNode json) {
        ctx.contentType("application/json").result(json.toString());
    }
}
