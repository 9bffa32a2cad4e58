with

settings as (
    select * from {{ source('raw_company', 'settings') }}
),

final as (
    select
        cast(as_of as date) as as_of,
        upper({{ cleaned_text('reporting_currency') }}) as reporting_currency,
        case when is_demo then 'demo' else 'own' end as company
    from settings
)

select * from final
