with

texts as (
    select * from {{ ref('consent_texts') }}
),

settings as (
    select * from {{ ref('stg_company__settings') }}
),

final as (
    select
        texts.text_version,
        ';' || texts.channels || ';' as channels,
        ';' || texts.purposes || ';' as purposes,
        cast(texts.valid_from as timestamp with time zone) as valid_from,
        cast(texts.valid_before as timestamp with time zone) as valid_before,
        {{ text_sha256("texts.wording || '|' || texts.channels || '|' || texts.purposes") }}
            as text_sha256
    from texts
    inner join settings on texts.company = settings.company
)

select * from final
