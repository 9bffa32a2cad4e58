{#- What a note in HTML says: without tags, its entities read, with single blanks. -#}
{% macro plain_text(html) -%}
    {{ return(adapter.dispatch('plain_text')(html)) }}
{%- endmacro %}

{#- A blank and a letter tell "<100 l" from a tag; &amp; is read last, else &amp;lt; were a <. -#}
{% macro default__plain_text(html) -%}
    {{ cleaned_text(
        "regexp_replace(" ~ entities_read("regexp_replace(" ~ html ~ ", '</?[a-zA-Z][^>]*>', ' ')")
        ~ ", '[\\\\s\\\\u00A0]+', ' ')"
    ) }}
{%- endmacro %}

{% macro duckdb__plain_text(html) -%}
    {{ cleaned_text(
        "regexp_replace("
        ~ entities_read("regexp_replace(" ~ html ~ ", '</?[a-zA-Z][^>]*>', ' ', 'g')")
        ~ ", '[\\s\\x{00A0}]+', ' ', 'g')"
    ) }}
{%- endmacro %}

{% macro entities_read(text) -%}
    {%- set signs = {
        '&nbsp;': ' ', '&lt;': '<', '&gt;': '>', '&quot;': '"', '&#x27;': "''", '&#39;': "''",
        '&amp;': '&'
    } -%}
    {%- set read = namespace(text=text) -%}
    {%- for entity, sign in signs.items() -%}
        {%- set read.text = "replace(" ~ read.text ~ ", '" ~ entity ~ "', '" ~ sign ~ "')" -%}
    {%- endfor -%}
    {{ read.text }}
{%- endmacro %}
