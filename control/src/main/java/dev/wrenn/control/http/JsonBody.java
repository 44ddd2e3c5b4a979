package dev.wrenn.control.http;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.regex.Pattern;

/**
 * A JSON object that a client sent, read field by field.
 *
 * <p>Rules of the contract: unknown fields are ignored, null is as good as absent, numbers must be
 * whole numbers, and the body must be one object.
 */
public final class JsonBody {
    /** For everything this API reads and writes. */
    public static final ObjectMapper JSON =
            JsonMapper.builder()
                    .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
                    .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
                    .build();

    private static final Pattern OCTAL_MODE = Pattern.compile("0?[0-7]{1,4}");

    private final JsonNode root;

    private JsonBody(JsonNode root) {
        this.root = root;
    }

    /** Parses UTF-8. */
    public static JsonBody parse(byte[] bytes) {
        try {
            return parse(
                    StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes)).toString());
        } catch (CharacterCodingException _) {
            throw ApiException.invalid("the body is not UTF-8");
        }
    }

    /** Parses a text. */
    public static JsonBody parse(String text) {
        if (text.isBlank()) {
            throw ApiException.invalid("send a JSON object; {} if you have nothing to say");
        }
        try {
            var root = JSON.readTree(text);
            if (!root.isObject()) {
                throw ApiException.invalid("the body must be a JSON object");
            }
            return new JsonBody(root);
        } catch (JsonProcessingException e) {
            throw ApiException.invalid("the body is not JSON: " + e.getOriginalMessage());
        }
    }

    /** One that was parsed already, such as a message of a conversation. */
    public static JsonBody of(JsonNode object) {
        if (!object.isObject()) {
            throw ApiException.invalid("the message must be a JSON object");
        }
        return new JsonBody(object);
    }

    /** A text; empty counts as absent. */
    public Optional<String> text(String field) {
        return present(field)
                .map(value -> {
                    if (!value.isTextual()) {
                        throw ApiException.invalid(field + " must be a text");
                    }
                    return value.textValue();
                })
                .filter(t -> !t.isEmpty());
    }

    /** A text that must be there. */
    public String requiredText(String field) {
        return text(field).orElseThrow(() -> ApiException.invalid(field + " is missing"));
    }

    /** A whole number. */
    public OptionalLong number(String field) {
        var value = present(field);
        if (value.isEmpty()) {
            return OptionalLong.empty();
        }
        if (!value.get().isIntegralNumber() || !value.get().canConvertToLong()) {
            throw ApiException.invalid(field + " must be a whole number");
        }
        return OptionalLong.of(value.get().longValue());
    }

    /** Permission bits that must be there: a number, or its octal digits as a text. */
    public int mode(String field) {
        var value = present(field).orElseThrow(() -> ApiException.invalid(field + " is missing"));
        if (value.isTextual() && OCTAL_MODE.matcher(value.textValue()).matches()) {
            return Integer.parseInt(value.textValue(), 8);
        }
        if (value.isIntegralNumber() && value.canConvertToInt()) {
            int bits = value.intValue();
            if (bits >= 0 && bits <= 07777) {
                return bits;
            }
        }
        throw ApiException.invalid(
                field
                        + " must be octal digits in a text, such as \"0644\", or a number from 0 to"
                        + " 4095");
    }

    /** True or false; false if absent. */
    public boolean flag(String field) {
        var value = present(field);
        if (value.isPresent() && !value.get().isBoolean()) {
            throw ApiException.invalid(field + " must be true or false");
        }
        return value.isPresent() && value.get().booleanValue();
    }

    /** Texts; none if absent. */
    public List<String> texts(String field) {
        var texts = new ArrayList<String>();
        var value = present(field);
        if (value.isPresent() && !value.get().isArray()) {
            throw ApiException.invalid(field + " must be a list of texts");
        }
        value.ifPresent(list ->
                list.forEach(entry -> {
                    if (!entry.isTextual()) {
                        throw ApiException.invalid(field + " must be a list of texts");
                    }
                    texts.add(entry.textValue());
                }));
        return texts;
    }

    /** Texts by name; none if absent. */
    public Map<String, String> textMap(String field) {
        var texts = new LinkedHashMap<String, String>();
        var value = present(field);
        if (value.isPresent() && !value.get().isObject()) {
            throw ApiException.invalid(field + " must be an object of texts");
        }
        value.ifPresent(object ->
                object.properties()
                        .forEach(entry -> {
                            if (!entry.getValue().isTextual()) {
                                throw ApiException.invalid(field + " must be an object of texts");
                            }
                            texts.put(entry.getKey(), entry.getValue().textValue());
                        }));
        return texts;
    }

    /** Variables for a process by name; none if absent. */
    public Map<String, String> variables(String field) {
        var variables = textMap(field);
        variables.forEach(JsonBody::requireVariable);
        return variables;
    }

    /**
     * Fails unless a process can have such a variable.
     *
     * @throws ApiException INVALID_REQUEST
     */
    public static void requireVariable(String name, String value) {
        if (name.isEmpty() || name.indexOf('=') >= 0 || name.indexOf('\0') >= 0) {
            throw ApiException.invalid(
                    "a variable's name must not be empty nor hold '=' or a zero byte");
        }
        if (value.indexOf('\0') >= 0) {
            throw ApiException.invalid("the variable " + name + " holds a zero byte");
        }
    }

    private Optional<JsonNode> present(String field) {
        return Optional.ofNullable(root.get(field)).filter(v -> !v.isNull());
    }
}
