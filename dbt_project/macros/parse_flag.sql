{#- True or false as lists and systems write it; null where nothing is written. -#}
{% macro parse_flag(text) -%}
    lower({{ cleaned_text(text) }}) in ('true', '1', 'ja', 'yes', 'x')
{%- endmacro %}
