/*
 * metaschema: what a schema of 2020-12 and of draft-07 looks like, as schemas; in our own words, with the
 * names, anchors and verdicts of the official documents, so that whoever refers to those needs no network.
 */
#include <string.h>

#include "schema/compiler.h"

#define DRAFT "https://json-schema.org/draft/2020-12/"
#define TEXT(...) #__VA_ARGS__

/* One vocabulary: its names and its keywords, and forms that several keywords share. */
#define META(name, vocabulary, ...)                                                                           \
	{ DRAFT "meta/" name, "{\"$schema\":\"" DRAFT "schema\",\"$id\":\"" DRAFT "meta/" name                \
	  "\",\"$vocabulary\":{\"" DRAFT "vocab/" vocabulary "\":true},\"$dynamicAnchor\":\"meta\","         \
	  "\"type\":[\"boolean\",\"object\"],\"properties\":" #__VA_ARGS__ ",\"$defs\":{"                \
	  TEXT("schema": {"$dynamicRef": "#meta"},                                                             \
	       "list": {"type": "array", "minItems": 1, "items": {"$dynamicRef": "#meta"}},                    \
	       "map": {"type": "object", "additionalProperties": {"$dynamicRef": "#meta"}},                    \
	       "count": {"type": "integer", "minimum": 0},                                                     \
	       "names": {"type": "array", "items": {"type": "string"}, "uniqueItems": true},                   \
	       "uri": {"type": "string", "format": "uri"},                                                     \
	       "reference": {"type": "string", "format": "uri-reference"},                                     \
	       "anchor": {"type": "string", "pattern": "^[A-Za-z_][-A-Za-z0-9._]*$"}) "}}" }

static const struct { const char *uri, *text; } documents[] = {
	{ DRAFT "schema", TEXT({
		"$schema": "https://json-schema.org/draft/2020-12/schema",
		"$id": "https://json-schema.org/draft/2020-12/schema",
		"$vocabulary": {
			"https://json-schema.org/draft/2020-12/vocab/core": true,
			"https://json-schema.org/draft/2020-12/vocab/applicator": true,
			"https://json-schema.org/draft/2020-12/vocab/unevaluated": true,
			"https://json-schema.org/draft/2020-12/vocab/validation": true,
			"https://json-schema.org/draft/2020-12/vocab/meta-data": true,
			"https://json-schema.org/draft/2020-12/vocab/format-annotation": true,
			"https://json-schema.org/draft/2020-12/vocab/content": true
		},
		"$dynamicAnchor": "meta",
		"type": ["boolean", "object"],
		"allOf": [
			{"$ref": "meta/core"}, {"$ref": "meta/applicator"}, {"$ref": "meta/unevaluated"},
			{"$ref": "meta/validation"}, {"$ref": "meta/meta-data"}, {"$ref": "meta/format-annotation"},
			{"$ref": "meta/content"}
		],
		"$comment": "names that earlier drafts used keep their form",
		"properties": {
			"definitions": {"type": "object", "additionalProperties": {"$dynamicRef": "#meta"}},
			"dependencies": {"type": "object", "additionalProperties": {"anyOf": [
				{"$dynamicRef": "#meta"}, {"$ref": "meta/validation#/$defs/names"}]}},
			"$recursiveAnchor": {"$ref": "meta/core#/$defs/anchor"},
			"$recursiveRef": {"$ref": "meta/core#/$defs/reference"}
		}
	}) },
	META("core", "core", {
		"$id": {"type": "string", "format": "uri-reference", "pattern": "^[^#]*#?$"},
		"$schema": {"$ref": "#/$defs/uri"},
		"$ref": {"$ref": "#/$defs/reference"},
		"$anchor": {"$ref": "#/$defs/anchor"},
		"$dynamicRef": {"$ref": "#/$defs/reference"},
		"$dynamicAnchor": {"$ref": "#/$defs/anchor"},
		"$vocabulary": {"type": "object", "propertyNames": {"$ref": "#/$defs/uri"},
				"additionalProperties": {"type": "boolean"}},
		"$comment": {"type": "string"},
		"$defs": {"$ref": "#/$defs/map"}
	}),
	META("applicator", "applicator", {
		"prefixItems": {"$ref": "#/$defs/list"}, "items": {"$ref": "#/$defs/schema"},
		"contains": {"$ref": "#/$defs/schema"}, "additionalProperties": {"$ref": "#/$defs/schema"},
		"properties": {"$ref": "#/$defs/map"},
		"patternProperties": {"$ref": "#/$defs/map", "propertyNames": {"format": "regex"}},
		"dependentSchemas": {"$ref": "#/$defs/map"}, "propertyNames": {"$ref": "#/$defs/schema"},
		"if": {"$ref": "#/$defs/schema"}, "then": {"$ref": "#/$defs/schema"},
		"else": {"$ref": "#/$defs/schema"}, "not": {"$ref": "#/$defs/schema"},
		"allOf": {"$ref": "#/$defs/list"}, "anyOf": {"$ref": "#/$defs/list"}, "oneOf": {"$ref": "#/$defs/list"}
	}),
	META("unevaluated", "unevaluated", {
		"unevaluatedItems": {"$ref": "#/$defs/schema"}, "unevaluatedProperties": {"$ref": "#/$defs/schema"}
	}),
	META("validation", "validation", {
		"type": {"if": {"type": "array"},
			 "then": {"minItems": 1, "uniqueItems": true, "items": {"$ref": "#/properties/type/else"}},
			 "else": {"enum": ["null", "boolean", "integer", "number", "string", "array", "object"]}},
		"const": true,
		"enum": {"type": "array"},
		"multipleOf": {"type": "number", "exclusiveMinimum": 0},
		"maximum": {"type": "number"}, "exclusiveMaximum": {"type": "number"},
		"minimum": {"type": "number"}, "exclusiveMinimum": {"type": "number"},
		"maxLength": {"$ref": "#/$defs/count"}, "minLength": {"$ref": "#/$defs/count"},
		"pattern": {"type": "string", "format": "regex"},
		"maxItems": {"$ref": "#/$defs/count"}, "minItems": {"$ref": "#/$defs/count"},
		"uniqueItems": {"type": "boolean"},
		"maxContains": {"$ref": "#/$defs/count"}, "minContains": {"$ref": "#/$defs/count"},
		"maxProperties": {"$ref": "#/$defs/count"}, "minProperties": {"$ref": "#/$defs/count"},
		"required": {"$ref": "#/$defs/names"},
		"dependentRequired": {"type": "object", "additionalProperties": {"$ref": "#/$defs/names"}}
	}),
	META("meta-data", "meta-data", {
		"title": {"type": "string"}, "description": {"type": "string"}, "default": true,
		"deprecated": {"type": "boolean"}, "readOnly": {"type": "boolean"}, "writeOnly": {"type": "boolean"},
		"examples": {"type": "array"}
	}),
	META("format-annotation", "format-annotation", { "format": {"type": "string"} }),
	META("format-assertion", "format-assertion", { "format": {"type": "string"} }),
	META("content", "content", {
		"contentEncoding": {"type": "string"}, "contentMediaType": {"type": "string"},
		"contentSchema": {"$ref": "#/$defs/schema"}
	}),
	{ "http://json-schema.org/draft-07/schema", TEXT({
		"$schema": "http://json-schema.org/draft-07/schema#",
		"$id": "http://json-schema.org/draft-07/schema#",
		"type": ["boolean", "object"],
		"definitions": {
			"map": {"type": "object", "additionalProperties": {"$ref": "#"}},
			"list": {"type": "array", "minItems": 1, "items": {"$ref": "#"}},
			"count": {"type": "integer", "minimum": 0},
			"names": {"type": "array", "items": {"type": "string"}, "uniqueItems": true},
			"name": {"enum": ["null", "boolean", "integer", "number", "string", "array", "object"]}
		},
		"properties": {
			"$id": {"type": "string", "format": "uri-reference"},
			"$schema": {"type": "string", "format": "uri"},
			"$ref": {"type": "string", "format": "uri-reference"},
			"$comment": {"type": "string"}, "title": {"type": "string"}, "description": {"type": "string"},
			"default": true, "const": true, "readOnly": {"type": "boolean"}, "writeOnly": {"type": "boolean"},
			"examples": {"type": "array"}, "enum": {"type": "array"},
			"type": {"if": {"type": "array"},
				 "then": {"minItems": 1, "uniqueItems": true, "items": {"$ref": "#/definitions/name"}},
				 "else": {"$ref": "#/definitions/name"}},
			"multipleOf": {"type": "number", "exclusiveMinimum": 0},
			"maximum": {"type": "number"}, "exclusiveMaximum": {"type": "number"},
			"minimum": {"type": "number"}, "exclusiveMinimum": {"type": "number"},
			"maxLength": {"$ref": "#/definitions/count"}, "minLength": {"$ref": "#/definitions/count"},
			"pattern": {"type": "string", "format": "regex"},
			"items": {"if": {"type": "array"}, "then": {"$ref": "#/definitions/list"}, "else": {"$ref": "#"}},
			"additionalItems": {"$ref": "#"}, "contains": {"$ref": "#"},
			"maxItems": {"$ref": "#/definitions/count"}, "minItems": {"$ref": "#/definitions/count"},
			"uniqueItems": {"type": "boolean"},
			"maxProperties": {"$ref": "#/definitions/count"}, "minProperties": {"$ref": "#/definitions/count"},
			"required": {"$ref": "#/definitions/names"},
			"properties": {"$ref": "#/definitions/map"}, "definitions": {"$ref": "#/definitions/map"},
			"patternProperties": {"allOf": [{"$ref": "#/definitions/map"}], "propertyNames": {"format": "regex"}},
			"additionalProperties": {"$ref": "#"}, "propertyNames": {"$ref": "#"},
			"dependencies": {"type": "object", "additionalProperties": {
				"if": {"type": "array"}, "then": {"$ref": "#/definitions/names"}, "else": {"$ref": "#"}}},
			"if": {"$ref": "#"}, "then": {"$ref": "#"}, "else": {"$ref": "#"}, "not": {"$ref": "#"},
			"allOf": {"$ref": "#/definitions/list"}, "anyOf": {"$ref": "#/definitions/list"},
			"oneOf": {"$ref": "#/definitions/list"},
			"format": {"type": "string"}, "contentMediaType": {"type": "string"}, "contentEncoding": {"type": "string"}
		}
	}) },
};

const char *metaschema_text(const char *uri)
{
	for (size_t i = 0; i < ARRAY_LEN(documents); i++)
		if (strcmp(documents[i].uri, uri) == 0)
			return documents[i].text;
	return NULL;
}
