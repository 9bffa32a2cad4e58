{#- One row per name in a JSON object whose value is true: for use in the select list. -#}
{% macro json_true_keys(json) -%}
    {{ return(adapter.dispatch('json_true_keys')(json)) }}
{%- endmacro %}

{% macro duckdb__json_true_keys(json) -%}
    unnest(
        list_filter(
            json_keys({{ json }}),
            lambda key: json_extract_string({{ json }}, '$."' || key || '"') = 'true'
        )
    )
{%- endmacro %}

{% macro spark__json_true_keys(json) -%}
    explode(map_keys(map_filter(from_json({{ json }}, 'map<string,boolean>'), (k, v) -> v)))
{%- endmacro %}
