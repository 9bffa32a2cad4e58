with

settings as (
    select * from {{ source('raw_company', 'settings') }}
),

final as (
    select
        cast(as_of as date) as as_of,
        upper({{ cleaned_text('reporting_currency') }}) as reporting_currency
    from settings
)

select * from final
