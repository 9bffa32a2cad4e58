with

account_names as (
    {{ current_records(
        source('raw_datev', 'account_names'), ['consultant', 'client', 'account', 'language']
    ) }}
),

final as (
    select
        {{ cleaned_text('account') }} as account,
        {{ cleaned_text('language') }} as language,
        coalesce({{ cleaned_text('long_name') }}, {{ cleaned_text('name') }}) as account_name,
        _load_id as load_id
    from account_names
)

select * from final
