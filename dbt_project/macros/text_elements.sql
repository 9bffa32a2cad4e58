{#- One row per piece of a text between separators: for use in the select list. -#}
{% macro text_elements(text, separator) -%}
    {{ return(adapter.dispatch('text_elements')(text, separator)) }}
{%- endmacro %}

{% macro duckdb__text_elements(text, separator) -%}
    unnest(string_split({{ text }}, {{ separator }}))
{%- endmacro %}

{#- Spark takes a regular expression; in a class the separator is only itself. -#}
{% macro spark__text_elements(text, separator) -%}
    explode(split({{ text }}, '[' || {{ separator }} || ']'))
{%- endmacro %}
