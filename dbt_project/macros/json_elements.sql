{#-
    One row per element of a JSON list: for use in the select list, where it gives the element as
    JSON text (an object; a plain text keeps its quotes, read it with json_text(element, '$')).
-#}
{% macro json_elements(json) -%}
    {{ return(adapter.dispatch('json_elements')(json)) }}
{%- endmacro %}

{% macro duckdb__json_elements(json) -%}
    unnest(cast(cast({{ json }} as json) as json[]))
{%- endmacro %}

{% macro spark__json_elements(json) -%}
    explode(from_json({{ json }}, 'array<string>'))
{%- endmacro %}
